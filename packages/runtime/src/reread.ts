import { statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

/** How often the files are looked at, at most. */
const LOOK_MS = 1_000;

export interface RereadOptions<T> {
  /** Small ones, on a disk of this machine. */
  readonly files: readonly string[];
  /** What they say now, as plain data. What it throws leaves the value as it was. */
  readonly read: () => T;
  /** Told of each other value. @default nobody */
  readonly replaced?: (value: T) => void;
  /** Told why the files cannot be used, once a change of them. @default nobody */
  readonly failed?: (error: unknown) => void;
}

/**
 * A value made of files that an operator, or Kubernetes by another link, may replace at any time. They are looked at when
 * the value is asked for, so that nothing has to run or to be ended.
 */
export class Reread<T> {
  readonly #options: RereadOptions<T>;
  #value: T;
  #seen = '';
  #lookedAt = 0;

  /** @param value what they said when they were read first */
  constructor(value: T, options: RereadOptions<T>) {
    this.#options = options;
    this.#value = value;
  }

  /** As of about a second ago at most. */
  get current(): T {
    const now = Date.now();
    if (Math.abs(now - this.#lookedAt) < LOOK_MS) return this.#value;
    this.#lookedAt = now;
    const seen = this.#look();
    if (seen === this.#seen) return this.#value;
    this.#seen = seen;
    const { read, replaced, failed } = this.#options;
    let value: T;
    try {
      value = read();
    } catch (error) {
      failed?.(error);
      return this.#value;
    }
    if (isDeepStrictEqual(value, this.#value)) return this.#value;
    this.#value = value;
    replaced?.(value);
    return value;
  }

  #look(): string {
    return this.#options.files
      .map((file) => {
        const found = statSync(file, { bigint: true, throwIfNoEntry: false });
        return found ? `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}` : 'gone';
      })
      .join(', ');
  }
}
