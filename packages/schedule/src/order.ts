import { KeyedPermutation } from './permutation.js';
import { randomKey, requireNatural } from './random.js';

export interface EpochOrderOptions {
  /** Integer in [0, 2^53). */
  readonly seed: number;
  /** Integer in [0, 2^53). */
  readonly epoch: number;
  /** Samples in the dataset: integer in [1, 2^40]. */
  readonly length: number;
  /** False leaves every epoch in the dataset's own order. */
  readonly shuffle: boolean;
}

/**
 * Which sample stands at which position of an epoch: a bijection on [0, length) of
 * (seed, epoch, length) alone, in O(1) memory. No list is ever shuffled.
 */
export class EpochOrder {
  readonly length: number;
  readonly #permutation: KeyedPermutation | null;

  /** @throws RangeError for options outside their ranges */
  constructor({ seed, epoch, length, shuffle }: EpochOrderOptions) {
    const permutation = new KeyedPermutation(randomKey('order', seed, epoch), length);
    this.length = length;
    this.#permutation = shuffle ? permutation : null;
  }

  /**
   * The sample id at a position, in O(1).
   *
   * @param position integer in [0, length)
   * @throws RangeError outside the epoch
   */
  at(position: number): number {
    if (this.#permutation) return this.#permutation.at(position);
    requireNatural('position', position);
    if (position >= this.length) {
      throw new RangeError(`position ${position} is not in [0, ${this.length})`);
    }
    return position;
  }
}

export interface SubstituteOrderOptions {
  readonly seed: number;
  readonly epoch: number;
  /** The sample that turned out bad: integer in [0, length). */
  readonly sampleId: number;
  readonly length: number;
}

/**
 * The stand-ins of a bad sample, in the order in which they are tried: every other sample once, keyed by
 * (seed, epoch, sampleId), so that the choice hangs on no rank, batch or worker.
 */
export class SubstituteOrder {
  /** How many stand-ins there are: length - 1. */
  readonly count: number;
  readonly #sampleId: number;
  readonly #permutation: KeyedPermutation | null;

  /** @throws RangeError for options outside their ranges */
  constructor({ seed, epoch, sampleId, length }: SubstituteOrderOptions) {
    requireNatural('sampleId', sampleId);
    if (sampleId >= length) throw new RangeError(`sampleId ${sampleId} is not in [0, ${length})`);
    const key = randomKey('substitute', seed, epoch);
    this.count = length - 1;
    this.#sampleId = sampleId;
    this.#permutation = length > 1 ? new KeyedPermutation(key, length - 1, sampleId) : null;
  }

  /**
   * The k-th stand-in, never the bad sample itself.
   *
   * @param k integer in [0, count)
   * @throws RangeError when there is no such stand-in
   */
  probe(k: number): number {
    if (!this.#permutation) throw new RangeError('a dataset of one sample has no stand-ins');
    const other = this.#permutation.at(k);
    return other < this.#sampleId ? other : other + 1;
  }
}
