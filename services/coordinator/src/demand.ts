/** A trainer's pace is taken from its reports of so long, by its own clock. */
const WINDOW_SECONDS = 30;
/** Reports that come sooner than this after another take its place. */
const SPACING_SECONDS = 1;
/**
 * A trainer that does nothing but wait would take whatever it is given: of its time so much counts as its own work at
 * least, so that what it asks for stays within reach of what it gets.
 */
const LEAST_BUSY = 0.02;

/** What a trainer says of itself. */
export interface Pace {
  /** Global steps that it has taken. */
  readonly nextStep: number;
  readonly waitedSeconds: number;
  readonly elapsedSeconds: number;
}

/**
 * What one trainer would take if it never waited for data: samples / (interval - time waited), from its reports. What it
 * was given says nothing of that: a starved trainer consumes just what is made.
 */
export class Demand {
  readonly #reports: Pace[] = [];

  /** @param samplesPerStep of its rank @param known what is taken to be its demand until it has reported enough */
  constructor(
    private readonly samplesPerStep: number,
    private readonly known: number | null = null,
  ) {}

  report(pace: Pace): void {
    const reports = this.#reports;
    const newest = reports.at(-1);
    // It went to another step, or its clocks began anew.
    if (newest && (pace.nextStep < newest.nextStep || pace.elapsedSeconds < newest.elapsedSeconds)) {
      reports.length = 0;
    }
    const before = reports.at(-2);
    if (before && pace.elapsedSeconds - before.elapsedSeconds < SPACING_SECONDS) reports.pop();
    reports.push(pace);
    while (reports.length > 2 && pace.elapsedSeconds - reports[1]!.elapsedSeconds >= WINDOW_SECONDS) {
      reports.shift();
    }
  }

  /**
   * Samples a second; null while nothing is known.
   *
   * @param busySeconds for how long it has reported nothing though its next batch is there
   */
  rate(busySeconds: number): number | null {
    const [oldest, newest] = [this.#reports[0], this.#reports.at(-1)];
    if (!oldest || !newest || newest.nextStep === oldest.nextStep) return this.known;
    const elapsed = newest.elapsedSeconds - oldest.elapsedSeconds + busySeconds;
    const waited = newest.waitedSeconds - oldest.waitedSeconds;
    const busy = Math.max(elapsed - waited, LEAST_BUSY * elapsed);
    if (!(busy > 0)) return this.known;
    return (this.samplesPerStep * (newest.nextStep - oldest.nextStep)) / busy;
  }
}
