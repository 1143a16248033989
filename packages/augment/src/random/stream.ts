import { philox4x32 } from '@cropstream/schedule';

/** Decisions a transform may draw: the low 8 bits of a slot. */
export const DECISIONS = 256;

/**
 * The random numbers of one view of one sample in one epoch. Draws are addressed, not consumed: word 0 of
 * Philox's counter is the slot, so no draw shifts another. docs/determinism.md has the table of slots.
 */
export class Stream {
  readonly #key: readonly [number, number];
  readonly #low: number;
  readonly #high: number;
  readonly #viewKey: number;

  /**
   * @param key `randomKey('augment', seed, epoch)`
   * @param sampleId integer in [0, 2^53)
   * @param viewKey u32, see `viewKey`
   */
  constructor(key: readonly [number, number], sampleId: number, viewKey: number) {
    this.#key = key;
    this.#low = sampleId >>> 0;
    this.#high = Math.floor(sampleId / 0x1_0000_0000);
    this.#viewKey = viewKey;
  }

  /** The four u32 words of a slot. */
  words(slot: number): readonly [number, number, number, number] {
    return philox4x32(this.#key, [slot, this.#low, this.#high, this.#viewKey]);
  }

  /** A double in [0, 1) with 53 random bits: `((w0 >>> 5) * 2^26 + (w1 >>> 6)) / 2^53`. */
  uniform(slot: number): number {
    const [w0, w1] = this.words(slot);
    return ((w0 >>> 5) * 0x400_0000 + (w1 >>> 6)) / 0x20_0000_0000_0000;
  }

  /** `lo + (hi - lo) * uniform`: a double in [lo, hi]. */
  range(slot: number, lo: number, hi: number): number {
    return lo + (hi - lo) * this.uniform(slot);
  }

  /** An integer in [lo, hi], both included: `lo + floor(uniform * (hi - lo + 1))`. */
  integer(slot: number, lo: number, hi: number): number {
    return lo + Math.floor(this.uniform(slot) * (hi - lo + 1));
  }
}

/** A stream as the transform at one position of a view's chain sees it: its decisions are numbered from 0. */
export class Draws {
  readonly #stream: Stream;
  readonly #base: number;

  /** @param position index of the transform in its view's chain */
  constructor(stream: Stream, position: number) {
    this.#stream = stream;
    this.#base = position << 8;
  }

  uniform(decision: number): number {
    return this.#stream.uniform(this.#base | decision);
  }

  range(decision: number, lo: number, hi: number): number {
    return this.#stream.range(this.#base | decision, lo, hi);
  }

  integer(decision: number, lo: number, hi: number): number {
    return this.#stream.integer(this.#base | decision, lo, hi);
  }

  /** True with probability p: never at 0, always at 1. */
  chance(decision: number, p: number): boolean {
    return this.uniform(decision) < p;
  }
}
