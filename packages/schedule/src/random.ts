import { createHash } from 'node:crypto';

/** Four unsigned 32-bit words. */
export type Words = [number, number, number, number];

/** A 64-bit Philox key as two unsigned 32-bit words, low word first. */
export type RandomKey = readonly [number, number];

/** What a key is for. Streams of different tags never meet. */
export type RandomTag = 'augment' | 'substitute' | OrderTag | `${OrderTag}:${number}`;

/** Of an epoch's order; with a number, that of one dataset of a mix. */
export type OrderTag = 'order' | 'blocks' | 'window';

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const ROUNDS = 10;

/** The high word of a 32 x 32 bit product, as an int32. Partial sums stay below 2^32, so doubles are exact. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) | 0;
}

/**
 * Philox4x32-10: the block of four words that belongs to a key and a counter.
 *
 * @param key two u32 words
 * @param counter four u32 words
 * @returns four u32 words; every bit of key and counter reaches every bit of them
 * @see Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3 (SC11)
 */
export function philox4x32(key: RandomKey, counter: readonly [number, number, number, number]): Words {
  let k0 = key[0] | 0;
  let k1 = key[1] | 0;
  let c0 = counter[0] | 0;
  let c1 = counter[1] | 0;
  let c2 = counter[2] | 0;
  let c3 = counter[3] | 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(M0, c0);
    const low0 = Math.imul(M0, c0);
    const high1 = multiplyHigh(M1, c2);
    const low1 = Math.imul(M1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/**
 * The key of one tag, seed and epoch: the first 8 bytes of SHA-256 over the UTF-8 of
 * `cropstream/1 <tag> <seed> <epoch>`, as two little-endian u32. A hash and not a sum, so that
 * neighbouring seeds and epochs share nothing.
 *
 * @param seed integer in [0, 2^53)
 * @param epoch integer in [0, 2^53)
 * @throws RangeError for anything else
 */
export function randomKey(tag: RandomTag, seed: number, epoch: number): RandomKey {
  requireNatural('seed', seed);
  requireNatural('epoch', epoch);
  const hash = createHash('sha256').update(`cropstream/1 ${tag} ${seed} ${epoch}`, 'utf8').digest();
  return [hash.readUInt32LE(0), hash.readUInt32LE(4)];
}

/** @throws RangeError unless `value` is an integer in [0, 2^53) */
export function requireNatural(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be an integer in [0, 2^53), not ${value}`);
  }
}
