/**
 * Epochs that draw some samples more than once, or not all of them: mixes of datasets, and a run's `epoch_size`.
 *
 * A draw is a sample and how many times it was drawn before in the epoch, as one number: `sample + 2^40 * times`. Its random
 * numbers are its own, so that a sample drawn twice in an epoch is not cropped twice in the same way; the first draw's are those
 * of the sample in an epoch that draws it once.
 */
import { EpochOrder, type Order, type Shuffle } from './order.js';
import { MAX_LENGTH } from './permutation.js';
import { requireNatural } from './random.js';

/** Times that one sample may be drawn in an epoch: draws are below 2^53. */
export const MAX_DRAWS_A_SAMPLE = 2 ** 53 / MAX_LENGTH;

/** The sample of a draw: integer in [0, 2^40). */
export function sampleOf(draw: number): number {
  return draw % MAX_LENGTH;
}

/** The same draw of another sample: what a stand-in is drawn as. */
export function drawInstead(draw: number, sampleId: number): number {
  return draw - sampleOf(draw) + sampleId;
}

/** One dataset that an epoch draws from. */
export interface DrawnPart {
  /** Samples in it: integer in [1, 2^40]. */
  readonly samples: number;
  /** Draws from it in an epoch: integer in [0, 2^40]. */
  readonly draws: number;
}

export interface DrawOrderOptions {
  readonly seed: number;
  readonly epoch: number;
  /** Their samples' ids follow one another. */
  readonly parts: readonly DrawnPart[];
  readonly shuffle: Shuffle;
}

/**
 * The order of an epoch that draws from datasets as often as each one's `draws` say. The datasets take turns as evenly as can be
 * (at any position each has been drawn from in proportion, to within one draw for each dataset before it). A dataset's own
 * draws go on where its last epoch's ended: through all of its samples in one order, then through all of them in the next,
 * so that no sample is drawn again before all were drawn.
 */
export class DrawOrder implements Order {
  readonly length: number;
  readonly #options: DrawOrderOptions;
  readonly #starts: readonly number[];
  /** The last two passes of each dataset: an epoch's draws may end one and begin another. */
  readonly #passes: Map<number, EpochOrder>[];

  /** @throws RangeError for options outside their ranges */
  constructor(options: DrawOrderOptions) {
    const { seed, epoch, parts } = options;
    requireNatural('seed', seed);
    requireNatural('epoch', epoch);
    let start = 0;
    let length = 0;
    const starts: number[] = [];
    for (const { samples, draws } of parts) {
      requireNatural('draws', draws);
      if (draws / samples > MAX_DRAWS_A_SAMPLE - 2) {
        throw new RangeError(
          `${draws} draws from ${samples} samples are more than ${MAX_DRAWS_A_SAMPLE - 2} of each`,
        );
      }
      starts.push(start);
      start += samples;
      length += draws;
    }
    if (start > MAX_LENGTH || length > MAX_LENGTH || length < 1) {
      throw new RangeError(`an epoch of ${length} draws from ${start} samples is not in [1, 2^40]`);
    }
    this.length = length;
    this.#options = options;
    this.#starts = starts;
    this.#passes = parts.map(() => new Map());
  }

  at(position: number): number {
    requireNatural('position', position);
    if (position >= this.length) throw new RangeError(`position ${position} is not in [0, ${this.length})`);
    const { part, turn } = this.#turn(position);
    const { samples, draws } = this.#options.parts[part] as DrawnPart;
    const before = BigInt(this.#options.epoch) * BigInt(draws);
    const drawn = before + BigInt(turn);
    const pass = drawn / BigInt(samples);
    const times = Number(pass - before / BigInt(samples));
    const local = this.#pass(part, Number(pass)).at(Number(drawn % BigInt(samples)));
    return (this.#starts[part] as number) + local + times * MAX_LENGTH;
  }

  /** Whose turn it is at a position, and how many turns it had before. */
  #turn(position: number): { part: number; turn: number } {
    const { parts } = this.#options;
    let at = position;
    let total = this.length;
    for (const [part, { draws }] of parts.entries()) {
      const turn = proportion(at, draws, total);
      if (proportion(at + 1, draws, total) > turn) return { part, turn };
      at -= turn;
      total -= draws;
    }
    throw new RangeError(`position ${position} is nobody's turn`);
  }

  #pass(part: number, pass: number): EpochOrder {
    const passes = this.#passes[part] as Map<number, EpochOrder>;
    const known = passes.get(pass);
    if (known) return known;
    const { seed, shuffle, parts } = this.#options;
    const { samples } = parts[part] as DrawnPart;
    const order = new EpochOrder({ seed, epoch: pass, length: samples, shuffle, part });
    for (const oldest of passes.keys()) {
      if (passes.size < 2) break;
      passes.delete(oldest);
    }
    passes.set(pass, order);
    return order;
  }
}

/** floor(a * b / c), exact: a and b are at most 2^40. */
function proportion(a: number, b: number, c: number): number {
  const product = a * b;
  if (Number.isSafeInteger(product)) return (product - (product % c)) / c;
  return Number((BigInt(a) * BigInt(b)) / BigInt(c));
}

/**
 * Shares a number of draws out in proportion to weights: each gets its quota rounded down, and what is left goes one each to
 * the largest remainders, of equal ones to the first.
 *
 * @param draws integer
 * @param weights not negative, one at least above zero
 */
export function apportion(draws: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const quotas = weights.map((weight) => (weight / total) * draws);
  const shares = quotas.map(Math.floor);
  const left = draws - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = [...quotas.keys()].sort(
    (a, b) => quotas[b]! - shares[b]! - (quotas[a]! - shares[a]!) || a - b,
  );
  for (const i of byRemainder.slice(0, left)) shares[i]! += 1;
  return shares;
}
