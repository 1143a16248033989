import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { philox4x32, randomKey } from './index.js';

const MASK = 0xffffffffn;

/** Philox4x32-10 in BigInt, straight from the paper's definition. */
function philoxByBigInt(key: readonly number[], counter: readonly number[]): number[] {
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & MASK, (p0 >> 32n) ^ c3 ^ k1, p0 & MASK];
    k0 = (k0 + 0x9e3779b9n) & MASK;
    k1 = (k1 + 0xbb67ae85n) & MASK;
  }
  return [c0, c1, c2, c3].map(Number);
}

describe('philox4x32', () => {
  const { vectors } = JSON.parse(
    readFileSync(new URL('../../../docs/vectors/philox.json', import.meta.url), 'utf8'),
  ) as { vectors: { counter: string[]; key: string[]; words: string[] }[] };
  const parse = (words: string[]) => words.map((word) => Number.parseInt(word, 16));

  it.each(vectors)("gives Random123's known answer for counter $counter", ({ counter, key, words }) => {
    const [k0, k1] = parse(key) as [number, number];
    expect(philox4x32([k0, k1], parse(counter) as [number, number, number, number])).toEqual(parse(words));
  });

  it('equals the definition in big integers for any key and counter', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.tuple(word, word), fc.tuple(word, word, word, word), (key, counter) => {
        expect(philox4x32(key, counter)).toEqual(philoxByBigInt(key, counter));
      }),
      { numRuns: 500 },
    );
  });
});

describe('randomKey', () => {
  it('is the head of the SHA-256 of tag, seed and epoch', () => {
    const hash = createHash('sha256').update('cropstream/1 order 42 7').digest();
    expect(randomKey('order', 42, 7)).toEqual([hash.readUInt32LE(0), hash.readUInt32LE(4)]);
  });

  it('differs by tag, seed and epoch', () => {
    const keys = new Set<string>();
    for (const tag of ['augment', 'order', 'substitute'] as const) {
      for (let seed = 0; seed < 30; seed++) {
        for (let epoch = 0; epoch < 30; epoch++) keys.add(randomKey(tag, seed, epoch).join());
      }
    }
    expect(keys.size).toBe(3 * 30 * 30);
  });

  it('takes the largest seed and refuses what is no seed', () => {
    expect(randomKey('order', Number.MAX_SAFE_INTEGER, 0)).toHaveLength(2);
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => randomKey('order', bad, 0)).toThrow(RangeError);
      expect(() => randomKey('order', 0, bad)).toThrow(RangeError);
    }
  });
});
