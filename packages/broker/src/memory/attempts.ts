import { parseChunkName } from '../names.js';
import type { ChunkName } from '../records.js';

/** Far more chunks than a fleet has in hand at a time, in a few megabytes. */
const REMEMBERED = 1 << 16;

interface Position {
  readonly epoch: number;
  readonly first: number;
}

const before = (a: Position, b: Position) => a.epoch < b.epoch || (a.epoch === b.epoch && a.first < b.first);

/**
 * Counts the attempts of each chunk of a run: 1, 2, 3 and so on, never back, in bounded memory. Counters are kept for
 * the chunks claimed last. Of all others it knows the span of the run that they lie in and the largest of their counts:
 * a chunk of that span goes on from there, one outside it was never claimed. Runs are drawn forwards, so that new chunks
 * lie outside.
 */
export class Attempts {
  /** In the order of their last claim. */
  readonly #counts = new Map<ChunkName, number>();
  #forgotten: { readonly from: Position; readonly to: Position; readonly most: number } | null = null;

  constructor(private readonly remembered: number = REMEMBERED) {}

  next(chunk: ChunkName): number {
    const attempt = 1 + (this.#counts.get(chunk) ?? this.#mostOf(chunk));
    this.#counts.delete(chunk);
    this.#counts.set(chunk, attempt);
    if (this.#counts.size > this.remembered) this.#forgetOldest();
    return attempt;
  }

  #mostOf(chunk: ChunkName): number {
    if (this.#forgotten === null) return 0;
    const at = parseChunkName(chunk);
    const { from, to, most } = this.#forgotten;
    return before(at, from) || before(to, at) ? 0 : most;
  }

  #forgetOldest(): void {
    for (const [chunk, count] of this.#counts) {
      this.#counts.delete(chunk);
      const at = parseChunkName(chunk);
      const { from, to, most } = this.#forgotten ?? { from: at, to: at, most: 0 };
      this.#forgotten = {
        from: before(at, from) ? at : from,
        to: before(to, at) ? at : to,
        most: Math.max(most, count),
      };
      return;
    }
  }
}
