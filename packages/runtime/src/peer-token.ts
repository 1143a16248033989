import { readFileSync, statSync } from 'node:fs';
import { type ClientSecurity, tokenIn } from './security.js';

/** How often the file is looked at, at most. */
const LOOK_MS = 1_000;

/** The token that a client sends, as its file says now: a long-lived process is given a new one without a restart. */
export class PeerToken {
  readonly #file: string | null;
  #token: string | null;
  #seen = '';
  #lookedAt = 0;

  constructor({ token, tokenFile }: Pick<ClientSecurity, 'token' | 'tokenFile'>) {
    this.#token = token;
    this.#file = tokenFile;
  }

  /** As of about a second ago at most. A file that is broken or gone leaves the token as it was: its service says so. */
  get current(): string | null {
    const now = Date.now();
    if (this.#file === null || Math.abs(now - this.#lookedAt) < LOOK_MS) return this.#token;
    this.#lookedAt = now;
    try {
      const { ino, mtimeMs, ctimeMs, size } = statSync(this.#file);
      const seen = `${ino} ${mtimeMs} ${ctimeMs} ${size}`;
      if (seen === this.#seen) return this.#token;
      this.#token = tokenIn(readFileSync(this.#file, 'utf8'));
      this.#seen = seen;
    } catch {
      // What is refused for it is told with its reason.
    }
    return this.#token;
  }
}
