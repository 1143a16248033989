import { failure } from '@cropstream/errors';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  ALL_OWNERS,
  OWNER_NAME,
  OWNER_NAME_ALLOWED,
  type OwnerLimits,
  type Principal,
  ROLES,
  ROOT,
  ROOT_ALLOWED,
} from './principal.js';

/** More, and the check of a token, which looks at all of them, would take a noticeable part of a call. */
const MAX_TOKENS = 1000;
const MAX_OWNERS = 1000;
const MAX_FILE_BYTES = 1 << 20;

const ownerName = z.string().regex(OWNER_NAME, OWNER_NAME_ALLOWED);
const tokenName = z.string().regex(/^[\w.@-]{1,128}$/, 'up to 128 letters, digits, dots, -, _ and @');
const count = z.number('a whole number of at least 1').int().min(1);

const OWNER = z.strictObject({
  roots: z.array(z.string().regex(ROOT, ROOT_ALLOWED)).max(1000).optional(),
  max_runs: count.optional(),
  max_opening: count.optional(),
  max_attachments: count.optional(),
  weight: z.number('a number from 0.01 to 100').min(0.01).max(100).default(1),
});

export const TOKEN = z.strictObject({
  name: tokenName,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "the token's SHA-256 in 64 hexadecimal digits"),
  role: z.enum(ROLES),
  owner: z
    .union([ownerName, z.literal(ALL_OWNERS)], { error: 'the name of an owner, or *' })
    .default(ALL_OWNERS),
});

const FILE = z.strictObject({
  owners: z
    .record(
      ownerName,
      OWNER.nullable().transform((owner) => owner ?? OWNER.parse({})),
    )
    .default({})
    .refine((owners) => Object.keys(owners).length <= MAX_OWNERS, `at most ${MAX_OWNERS} owners`),
  tokens: z.array(TOKEN).max(MAX_TOKENS, `at most ${MAX_TOKENS} tokens`),
});

/** Who may call, by the SHA-256 of a token in hexadecimal digits, and what each owner may have. */
export interface Tokens {
  readonly principals: ReadonlyMap<string, Principal>;
  readonly owners: ReadonlyMap<string, OwnerLimits>;
}

/** What role and owner do not allow of one another. */
export function whatIsWrong({ role, owner }: Pick<Principal, 'role' | 'owner'>): string | null {
  if (owner === ALL_OWNERS && role === 'trainer') return "a trainer's token belongs to one owner";
  if (owner !== ALL_OWNERS && role === 'service')
    return "a service's token belongs to no owner; leave it out";
  return null;
}

/**
 * A tokens file: YAML with `owners` and `tokens`, as docs/security.md has it.
 *
 * @param source what named the file, for errors
 * @throws CONFIG_INVALID naming the field, never a token's hash
 */
export function parseTokens(text: string, path: string, source: string): Tokens {
  const invalid = (reason: string) =>
    failure('CONFIG_INVALID', {
      variable: source,
      value: `"${path}" (${reason})`,
      allowed: 'a YAML file with `owners` and `tokens` (docs/security.md)',
      default: 'none',
    });
  if (text.length > MAX_FILE_BYTES) throw invalid(`longer than ${MAX_FILE_BYTES} bytes`);
  let document: unknown;
  try {
    // Without aliases: nothing here is long enough to need them, and some expand to more than fits in memory.
    document = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw invalid(String(error instanceof Error ? error.message : error).split('\n', 1)[0] as string);
  }
  const parsed = FILE.safeParse(document ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
  }
  const { owners, tokens } = parsed.data;
  const principals = new Map<string, Principal>();
  const names = new Set<string>();
  for (const [at, { name, sha256, role, owner }] of tokens.entries()) {
    if (names.has(name)) throw invalid(`tokens.${at}.name: "${name}" is another token's`);
    if (principals.has(sha256)) throw invalid(`tokens.${at}.sha256: that of another token`);
    const wrong = whatIsWrong({ role, owner });
    if (wrong !== null) throw invalid(`tokens.${at}.owner: ${wrong}`);
    if (owner !== ALL_OWNERS && !Object.hasOwn(owners, owner)) {
      throw invalid(`tokens.${at}.owner: "${owner}" is none of \`owners\``);
    }
    names.add(name);
    principals.set(sha256, { name, owner, role });
  }
  return {
    principals,
    owners: new Map(
      Object.entries(owners).map(([owner, given]) => [
        owner,
        {
          roots: given.roots ? [given.roots] : [],
          maxRuns: given.max_runs ?? null,
          maxOpening: given.max_opening ?? null,
          maxAttachments: given.max_attachments ?? null,
          weight: given.weight,
        },
      ]),
    ),
  };
}
