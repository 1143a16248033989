/** How many chunks back the usual is taken from: it follows a fleet that grows or a disk that slows within seconds. */
const REMEMBERED = 64;
/** Fewer say nothing. */
const ENOUGH = 5;
/** What a chunk is taken to need until enough were seen: more than almost any does. */
const GUESS_MS = 5_000;

/** How long the chunks of one run take from their taking until they are ready, as one coordinator saw it. */
export class Pace {
  readonly #ms: number[] = [];
  #next = 0;

  record(ms: number): void {
    this.#ms[this.#next] = ms;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** The median of the last ones: half of them late do not move it. Costs a sort. */
  get usualMs(): number {
    if (this.#ms.length < ENOUGH) return GUESS_MS;
    const sorted = [...this.#ms].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] as number;
  }
}
