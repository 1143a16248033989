import { randomBytes } from 'node:crypto';
import { failure } from '@cropstream/errors';
import { stringify } from 'yaml';
import { digestOf } from './access.js';
import { ALL_OWNERS } from './principal.js';
import { TOKEN, whatIsWrong } from './tokens-file.js';

export interface NewToken {
  /** To be given to whom it is for, and kept nowhere else. */
  readonly token: string;
  /** What goes under `tokens` of a file of tokens. */
  readonly entry: {
    readonly name: string;
    readonly role: string;
    readonly owner?: string;
    readonly sha256: string;
  };
  /** The same in YAML. */
  readonly yaml: string;
}

/**
 * A token of 32 random bytes.
 *
 * @param owner none, or `*`: every owner
 * @throws SPEC_INVALID naming the flag
 */
export function newToken({
  name,
  role,
  owner = ALL_OWNERS,
}: {
  name: string;
  role: string;
  owner?: string;
}): NewToken {
  const token = randomBytes(32).toString('base64url');
  const sha256 = digestOf(token).toString('hex');
  const parsed = TOKEN.safeParse({ name, role, owner, sha256 });
  const wrong = parsed.success ? whatIsWrong(parsed.data) : null;
  const [issue] = parsed.error?.issues ?? [];
  const field = wrong ? 'owner' : String(issue?.path[0] ?? '');
  if (!parsed.success || wrong) {
    const given: Readonly<Record<string, string>> = { name, role, owner };
    throw failure('SPEC_INVALID', {
      field: `--${field}`,
      value: JSON.stringify(given[field]),
      allowed: wrong ? `another: ${wrong}` : (issue?.message ?? 'another value'),
    });
  }
  const entry = { name, role, ...(owner !== ALL_OWNERS && { owner }), sha256 };
  return { token, entry, yaml: stringify([entry]) };
}
