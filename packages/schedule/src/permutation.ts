import { philox4x32, type RandomKey, requireNatural } from './random.js';

/**
 * Rounds of the network. Chi-square over all permutations of 3 and 4 elements finds nothing from
 * 5 rounds on (docs/decisions/0040-epoch-order.md); 3 more are the margin.
 */
const ROUNDS = 8;

/** Bits of the smallest half. Halves of 2 bits fail the same tests at 12 rounds, too. */
const MIN_HALF_BITS = 4;

/** The largest domain, 2^40: halves of 20 bits, so that a round is 32-bit arithmetic. */
export const MAX_LENGTH = 2 ** 40;

/**
 * A keyed bijection on [0, length): a balanced Feistel network over halves of
 * `max(4, ceil(log2(length) / 2))` bits, walked until it lands inside (at most 4 steps on average from
 * 65 elements on, 256 / length below).
 *
 * A round is `(left, right) -> (right, left ^ F(right))` with `F` the low bits of a multiply-xorshift
 * mixer, two words of key a round. The words are Philox blocks 0, 1, 2, 3 of the key, at the counter
 * `(block, tweak low, tweak high | length high << 16, length low)`: another length is another
 * bijection, not a neighbour.
 *
 * Memory and access are O(1).
 */
export class KeyedPermutation {
  readonly length: number;
  readonly #halfBits: number;
  readonly #roundKeys = new Int32Array(2 * ROUNDS);

  /**
   * @param length integer in [1, 2^40]
   * @param tweak integer in [0, 2^40): tells apart the bijections of one key
   * @throws RangeError outside these
   */
  constructor(key: RandomKey, length: number, tweak = 0) {
    if (!Number.isSafeInteger(length) || length < 1 || length > MAX_LENGTH) {
      throw new RangeError(`length must be an integer in [1, 2^40], not ${length}`);
    }
    if (!Number.isSafeInteger(tweak) || tweak < 0 || tweak >= MAX_LENGTH) {
      throw new RangeError(`tweak must be an integer in [0, 2^40), not ${tweak}`);
    }
    this.length = length;
    let halfBits = MIN_HALF_BITS;
    while (4 ** halfBits < length) halfBits++;
    this.#halfBits = halfBits;
    const high = Math.floor(tweak / 2 ** 32) | (Math.floor(length / 2 ** 32) << 16);
    for (let block = 0; block < ROUNDS / 2; block++) {
      this.#roundKeys.set(philox4x32(key, [block, tweak, high, length]), 4 * block);
    }
  }

  /**
   * The image of one element.
   *
   * @param element integer in [0, length)
   * @returns integer in [0, length)
   * @throws RangeError outside the domain
   */
  at(element: number): number {
    requireNatural('element', element);
    if (element >= this.length) {
      throw new RangeError(`element ${element} is not in [0, ${this.length})`);
    }
    const base = 2 ** this.#halfBits;
    const mask = base - 1;
    const keys = this.#roundKeys;
    let value = element;
    do {
      let left = Math.floor(value / base);
      let right = value - left * base;
      for (let k = 0; k < 2 * ROUNDS; k += 2) {
        let mixed = right ^ (keys[k] as number);
        mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
        mixed = ((mixed ^ (mixed >>> 15)) + (keys[k + 1] as number)) | 0;
        mixed = Math.imul(mixed, 0x846ca68b);
        mixed ^= mixed >>> 16;
        const next = left ^ (mixed & mask);
        left = right;
        right = next;
      }
      value = left * base + right;
    } while (value >= this.length);
    return value;
  }
}
