/** The part of a log that is needed. */
interface OutageLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What fails again and again while something is away, in two log lines: that it fails, and that it succeeds again. */
export class Outage {
  #failures = 0;

  /** @param what fails, as a sentence of the log @param fields of both lines */
  constructor(
    private readonly log: OutageLog,
    private readonly what: string,
    private readonly fields: object = {},
  ) {}

  failed(err: unknown): void {
    this.#failures++;
    if (this.#failures === 1) this.log.warn({ ...this.fields, err }, this.what);
  }

  succeeded(): void {
    if (this.#failures === 0) return;
    this.log.info({ ...this.fields, failures: this.#failures }, `over: ${this.what}`);
    this.#failures = 0;
  }
}
