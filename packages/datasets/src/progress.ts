import type { IndexOptions } from './source.js';

const INTERVAL_MS = 100;

/** Counts samples while they are found, and reports ten times a second at most. */
export class ProgressMeter {
  #files = 0;
  #bytes = 0;
  #lastReport = Number.NEGATIVE_INFINITY;
  readonly #report: IndexOptions['report'];
  readonly #now: () => number;
  readonly #start: number;

  constructor({ report, now = () => performance.now() }: IndexOptions) {
    this.#report = report;
    this.#now = now;
    this.#start = now();
  }

  add(files: number, bytes: number): void {
    this.#files += files;
    this.#bytes += bytes;
    if (this.#now() - this.#lastReport >= INTERVAL_MS) this.#send();
  }

  finish(): void {
    this.#send();
  }

  #send(): void {
    this.#lastReport = this.#now();
    const elapsedMs = this.#lastReport - this.#start;
    const filesPerSecond = elapsedMs > 0 ? (this.#files * 1000) / elapsedMs : 0;
    this.#report?.({ files: this.#files, bytes: this.#bytes, elapsedMs, filesPerSecond });
  }
}
