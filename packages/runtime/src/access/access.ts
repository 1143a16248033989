import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { failure } from '@cropstream/errors';
import type { Clock } from '../clock.js';
import { type ServerSecurity, tokenIn } from '../security.js';
import { watchFile } from '../watched-file.js';
import {
  ALL_OWNERS,
  DEFAULT_OWNER,
  EVERYBODY,
  NO_LIMITS,
  type OwnerLimits,
  type Principal,
} from './principal.js';
import { parseTokens, type Tokens } from './tokens-file.js';

/** Who may call a service, asked at each call. */
export interface Access {
  /** False: no token is asked for, and everybody may do everything. */
  readonly secured: boolean;
  /**
   * The principal of an `authorization` header, `Bearer <token>`; null where the call is to be refused. Takes the same
   * time whatever is wrong with a token. The same token has the same object as long as nothing about it changes.
   */
  authenticate(authorization: string | undefined): Principal | null;
  /** What an owner may have, as of now. */
  limitsOf(owner: string): OwnerLimits;
  /** Calls `listener` with each principal whose token holds no more, until the returned function is called. */
  onRevoked(listener: (principal: Principal) => void): () => void;
  /** Looks after its files no more. */
  close(): void;
}

/** Who has the only token of a service: all of it is theirs. */
const ONE_TOKEN: Principal = { name: 'token', owner: DEFAULT_OWNER, role: 'operator' };
/** Beside a tokens file, the token that the fleet's own parts send one another. */
const FLEET: Principal = { name: 'fleet', owner: ALL_OWNERS, role: 'service' };

/** Of a service that asks for nothing. */
export const OPEN_ACCESS: Access = {
  secured: false,
  authenticate: () => EVERYBODY,
  limitsOf: () => NO_LIMITS,
  onRevoked: () => () => {},
  close() {},
};

export interface AccessOptions {
  readonly clock: Clock;
  readonly log: {
    info(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}

/**
 * Reads the tokens that `security` names and keeps them as their files say: a change counts within about a second, and a
 * file that is broken or gone leaves the tokens as they were, with an error in the log.
 * @throws CONFIG_INVALID naming the variable and what is wrong with its file
 */
export function openAccess(security: ServerSecurity, options: AccessOptions): Access {
  const { token, tokensFile, roots } = security;
  if (token !== null || tokensFile !== null) return new TokenAccess(security, options);
  const limits = { ...NO_LIMITS, roots: roots ? [roots] : [] };
  return { ...OPEN_ACCESS, limitsOf: () => limits };
}

interface Entry {
  readonly digest: Buffer;
  readonly principal: Principal;
}

class TokenAccess implements Access {
  readonly secured = true;
  readonly #listeners = new Set<(principal: Principal) => void>();
  readonly #stops: (() => void)[] = [];
  readonly #log: AccessOptions['log'];
  /** Whom the service's own token stands for. */
  readonly #owns: Principal;
  readonly #roots: readonly string[] | null;
  #own: string | null;
  #tokens: Tokens = { principals: new Map(), owners: new Map() };
  #entries: readonly Entry[] = [];

  constructor({ token, tokenFile, tokensFile, roots }: ServerSecurity, { clock, log }: AccessOptions) {
    this.#log = log;
    this.#roots = roots;
    this.#own = token;
    this.#owns = tokensFile === null ? ONE_TOKEN : FLEET;
    const watch = (path: string, known: string, what: string, onText: (text: string) => void) => {
      const onError = (err: unknown) =>
        log.error({ err, path }, `${what} cannot be used: what was read of it before still counts`);
      this.#stops.push(watchFile(path, known, { clock, onText, onError }));
    };
    if (tokensFile !== null) {
      const text = readTokens(tokensFile);
      this.#tokens = tokensOf(text, tokensFile);
      watch(tokensFile, text, 'the file of tokens', (changed) => {
        this.#tokens = tokensOf(changed, tokensFile);
        this.#replace();
      });
    }
    if (tokenFile !== null) {
      watch(tokenFile, '', 'the file of the token', (changed) => {
        this.#own = tokenIn(changed);
        this.#replace();
      });
    }
    this.#replace();
  }

  authenticate(authorization: string | undefined): Principal | null {
    const [, token = ''] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    const digest = digestOf(token);
    let found: Principal | null = null;
    // All of them, whichever it is: the time taken says nothing of a token, nor how much of one was right.
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry.principal;
    return found;
  }

  limitsOf(owner: string): OwnerLimits {
    const limits = this.#tokens.owners.get(owner) ?? NO_LIMITS;
    const roots = this.#roots === null ? limits.roots : [...limits.roots, this.#roots];
    // Where owners are told apart, nobody reads anything that nobody has said.
    return { ...limits, roots: roots.length === 0 && this.#owns === FLEET ? [[]] : roots };
  }

  onRevoked(listener: (principal: Principal) => void): () => void {
    const own = (principal: Principal) => listener(principal);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#listeners.clear();
  }

  /** Takes over what the files say now, and tells whose token is gone or stands for another. */
  #replace(): void {
    const before = new Map(this.#entries.map(({ digest, principal }) => [digest.toString('hex'), principal]));
    const now = new Map(this.#tokens.principals);
    if (this.#own !== null) now.set(digestOf(this.#own).toString('hex'), { ...this.#owns });
    const kept = new Set<Principal>();
    this.#entries = [...now].map(([hash, given]) => {
      const known = before.get(hash);
      const principal = known !== undefined && isSame(known, given) ? known : given;
      kept.add(principal);
      return { digest: Buffer.from(hash, 'hex'), principal };
    });
    const revoked = [...before.values()].filter((principal) => !kept.has(principal));
    if (before.size === 0) return;
    const names = revoked.map(({ name }) => name);
    this.#log.info({ tokens: now.size, revoked: names }, 'the tokens were read again');
    for (const principal of revoked) for (const listener of [...this.#listeners]) listener(principal);
  }
}

function readTokens(path: string): string {
  const complain = (reason: string) =>
    failure('CONFIG_INVALID', {
      variable: 'CROPSTREAM_TOKENS_FILE',
      value: `"${path}" (${reason})`,
      allowed: 'a file of tokens',
      default: 'none',
    });
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw complain(error instanceof Error ? error.message : String(error));
  }
}

function tokensOf(text: string, path: string): Tokens {
  return parseTokens(text, path, 'CROPSTREAM_TOKENS_FILE');
}

function isSame(a: Principal, b: Principal): boolean {
  return a.name === b.name && a.owner === b.owner && a.role === b.role;
}

/** What stands in a file of tokens, and of one length whatever the token's. */
export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
