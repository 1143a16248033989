import { KeyedPermutation } from './permutation.js';
import { type OrderTag, type RandomKey, randomKey, requireNatural } from './random.js';

/** Which draw stands at which position of an epoch (see draws.ts); a sample's first draw is its id. */
export interface Order {
  /** Positions. */
  readonly length: number;
  /**
   * In O(1).
   *
   * @param position integer in [0, length)
   * @throws RangeError outside the epoch
   */
  at(position: number): number;
}

/**
 * A shuffle that keeps neighbours near: the dataset is cut into blocks of consecutive samples; the blocks are put into a random
 * order, and so are the samples of each; then each stretch of `blocks` blocks is cut into runs, which are shuffled. So what is
 * drawn within a while lies in few places, and a run, which one worker makes, lies in one.
 */
export interface ShuffleWindow {
  /** Consecutive samples that stay together: integer from 2. */
  readonly blockSize: number;
  /** Blocks whose runs are mixed with each other: integer from 1. */
  readonly blocks: number;
  /** Samples drawn from one block before the next may be another's: a divisor of blockSize. */
  readonly runSize: number;
}

/** `true`: any sample anywhere. `false`: the dataset's own order. */
export type Shuffle = boolean | ShuffleWindow;

export interface EpochOrderOptions {
  /** Integer in [0, 2^53). */
  readonly seed: number;
  /** Integer in [0, 2^53). */
  readonly epoch: number;
  /** Samples in the dataset: integer in [1, 2^40]. */
  readonly length: number;
  readonly shuffle: Shuffle;
  /** Which dataset of a mix: each has an order of its own. @default 0 */
  readonly part?: number;
}

/**
 * Every sample of a dataset once: a bijection on [0, length) of (seed, epoch, length, shuffle) alone, in O(1) memory.
 * No list is ever shuffled.
 */
export class EpochOrder implements Order {
  readonly length: number;
  readonly #bijection: Bijection;

  /** @throws RangeError for options outside their ranges */
  constructor({ seed, epoch, length, shuffle, part = 0 }: EpochOrderOptions) {
    const keyOf = (tag: OrderTag) => randomKey(part === 0 ? tag : `${tag}:${part}`, seed, epoch);
    const permutation = new KeyedPermutation(keyOf('order'), length);
    this.length = length;
    if (shuffle === false) this.#bijection = { at: (position) => position };
    else if (shuffle === true) this.#bijection = permutation;
    else this.#bijection = new WindowShuffle(length, shuffle, keyOf('blocks'), keyOf('window'));
  }

  at(position: number): number {
    requireNatural('position', position);
    if (position >= this.length) {
      throw new RangeError(`position ${position} is not in [0, ${this.length})`);
    }
    return this.#bijection.at(position);
  }
}

type Bijection = Pick<KeyedPermutation, 'at'>;

/**
 * The bijection of a `ShuffleWindow`. The last block, if it is shorter, takes a random place among the others; a last run that
 * is shorter stays the last.
 */
class WindowShuffle implements Bijection {
  readonly #blockSize: number;
  readonly #windowSize: number;
  readonly #runSize: number;
  /** Of the blocks of full size. */
  readonly #blocks: KeyedPermutation | null;
  /** Where the shorter block begins in the blocks' order, and how long it is. */
  readonly #short: { readonly start: number; readonly length: number };
  #latest: { readonly window: number; readonly runs: KeyedPermutation | null } | undefined;

  constructor(
    private readonly length: number,
    { blockSize, blocks, runSize }: ShuffleWindow,
    private readonly blocksKey: RandomKey,
    private readonly windowKey: RandomKey,
  ) {
    if (blockSize % runSize !== 0)
      throw new RangeError(`runs of ${runSize} do not fit blocks of ${blockSize}`);
    const full = Math.floor(length / blockSize);
    this.#blockSize = blockSize;
    this.#windowSize = blockSize * blocks;
    this.#runSize = runSize;
    this.#blocks = full > 0 ? new KeyedPermutation(blocksKey, full) : null;
    const place = new KeyedPermutation(blocksKey, full + 1, 1).at(0);
    this.#short = { start: place * blockSize, length: length - full * blockSize };
  }

  at(position: number): number {
    const window = Math.floor(position / this.#windowSize);
    const start = window * this.#windowSize;
    const within = position - start;
    const run = Math.floor(within / this.#runSize);
    const runs = this.#runs(window);
    const other = runs !== null && run < runs.length ? runs.at(run) : run;
    return this.#inBlocks(start + within + (other - run) * this.#runSize);
  }

  /** The sample at a position of the blocks' order. */
  #inBlocks(position: number): number {
    const { start, length } = this.#short;
    if (position >= start && position < start + length) {
      const number = (this.length - length) / this.#blockSize;
      return this.#inBlock(number, length, position - start);
    }
    const among = position < start ? position : position - length;
    const offset = among % this.#blockSize;
    // A position outside the short block is in one of full size.
    const number = (this.#blocks as KeyedPermutation).at((among - offset) / this.#blockSize);
    return this.#inBlock(number, this.#blockSize, offset);
  }

  #inBlock(number: number, length: number, offset: number): number {
    return number * this.#blockSize + new KeyedPermutation(this.blocksKey, length, 2 + number).at(offset);
  }

  /** The permutation of a window's runs of full size; null where it has none. */
  #runs(window: number): KeyedPermutation | null {
    if (this.#latest?.window !== window) {
      const length = Math.min(this.#windowSize, this.length - window * this.#windowSize);
      const full = Math.floor(length / this.#runSize);
      this.#latest = { window, runs: full > 0 ? new KeyedPermutation(this.windowKey, full, window) : null };
    }
    return this.#latest.runs;
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
