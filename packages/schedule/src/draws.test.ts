import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apportion,
  type DrawnPart,
  DrawOrder,
  drawInstead,
  EpochOrder,
  MAX_LENGTH,
  sampleOf,
} from './index.js';

const part = fc.record({ samples: fc.integer({ min: 1, max: 60 }), draws: fc.integer({ min: 0, max: 150 }) });
const parts: fc.Arbitrary<DrawnPart[]> = fc
  .array(part, { minLength: 1, maxLength: 5 })
  .filter((parts) => parts.some(({ draws }) => draws > 0));
const shuffle = fc.constantFrom(true, false, { blockSize: 6, blocks: 2, runSize: 3 });

function drawsOf(
  options: { seed: number; parts: readonly DrawnPart[]; shuffle: never | object | boolean },
  epoch: number,
) {
  const order = new DrawOrder({ ...options, epoch } as ConstructorParameters<typeof DrawOrder>[0]);
  return Array.from({ length: order.length }, (_, position) => order.at(position));
}

/** Which dataset a sample is of, and which of its samples it is. */
function whose(parts: readonly DrawnPart[], id: number) {
  let start = 0;
  for (const [i, { samples }] of parts.entries()) {
    if (id < start + samples) return { part: i, local: id - start };
    start += samples;
  }
  throw new RangeError(`${id} is of no dataset`);
}

describe('DrawOrder', () => {
  it('draws from each dataset as often as it should, and nothing twice as the same draw', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(1e6), parts, shuffle, (seed, epoch, parts, shuffle) => {
        const draws = drawsOf({ seed, parts, shuffle }, epoch);
        expect(new Set(draws).size).toBe(draws.length);
        const counts = parts.map(() => 0);
        for (const draw of draws) counts[whose(parts, sampleOf(draw)).part]! += 1;
        expect(counts).toEqual(parts.map(({ draws }) => draws));
      }),
    );
  });

  it('goes through all of a dataset, epoch after epoch, before it draws a sample again', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), parts, shuffle, (seed, parts, shuffle) => {
        const drawn: number[][] = parts.map(() => []);
        for (let epoch = 0; epoch < 5; epoch++) {
          for (const draw of drawsOf({ seed, parts, shuffle }, epoch)) {
            const { part, local } = whose(parts, sampleOf(draw));
            drawn[part]?.push(local);
          }
        }
        for (const [i, { samples }] of parts.entries()) {
          const locals = drawn[i] ?? [];
          for (let at = 0; at + samples <= locals.length; at += samples) {
            expect(new Set(locals.slice(at, at + samples)).size).toBe(samples);
          }
        }
      }),
    );
  });

  it('counts how often a sample was drawn before in the epoch', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(1000), parts, (seed, epoch, parts) => {
        const times = new Map<number, number[]>();
        for (const draw of drawsOf({ seed, parts, shuffle: true }, epoch)) {
          const id = sampleOf(draw);
          times.set(id, [...(times.get(id) ?? []), Math.floor(draw / MAX_LENGTH)]);
        }
        for (const [id, counts] of times) {
          // A pass that the epoch before began may have had the sample already.
          const first = counts[0] as number;
          expect([id, first <= 1, counts]).toEqual([id, true, counts.map((_, i) => first + i)]);
        }
      }),
    );
  });

  it('lets datasets take turns in proportion', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), parts, (seed, parts) => {
        const total = parts.reduce((sum, { draws }) => sum + draws, 0);
        const counts = parts.map(() => 0);
        for (const [position, draw] of drawsOf({ seed, parts, shuffle: true }, 0).entries()) {
          counts[whose(parts, sampleOf(draw)).part]! += 1;
          for (const [i, { draws }] of parts.entries()) {
            const due = ((position + 1) * draws) / total;
            expect(Math.abs((counts[i] as number) - due)).toBeLessThanOrEqual(i + 1);
          }
        }
      }),
    );
  });

  it('is the plain order where every sample of one dataset is drawn once', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.nat(1e9),
        fc.integer({ min: 1, max: 400 }),
        shuffle,
        (seed, epoch, length, shuffle) => {
          const plain = new EpochOrder({ seed, epoch, length, shuffle });
          const draws = drawsOf({ seed, parts: [{ samples: length, draws: length }], shuffle }, epoch);
          expect(draws).toEqual(Array.from({ length }, (_, position) => plain.at(position)));
        },
      ),
    );
  });

  it('is exact for the largest datasets and late epochs', () => {
    const parts = [
      { samples: 2 ** 39, draws: 2 ** 39 - 1 },
      { samples: 2 ** 39, draws: 2 ** 38 + 3 },
    ];
    const order = new DrawOrder({ seed: 1, epoch: 1e9, parts, shuffle: true });
    const draws = [0, 1, 2, 2 ** 38, order.length - 2, order.length - 1].map((position) =>
      order.at(position),
    );
    expect(new Set(draws).size).toBe(draws.length);
    for (const draw of draws) expect(sampleOf(draw)).toBeLessThan(2 ** 40);
    expect(() => order.at(order.length)).toThrow(RangeError);
  });

  it('refuses more draws of a sample than a draw can count', () => {
    const make = (draws: number) => () =>
      new DrawOrder({ seed: 0, epoch: 0, parts: [{ samples: 2, draws }], shuffle: true });
    expect(make(2 * 8190)).not.toThrow();
    expect(make(2 * 8190 + 1)).toThrow(RangeError);
    expect(make(0)).toThrow(RangeError);
  });
});

it('draws a stand-in as the bad sample would have been', () => {
  const draw = 17 + 3 * MAX_LENGTH;
  expect(drawInstead(draw, 5)).toBe(5 + 3 * MAX_LENGTH);
});

describe('apportion', () => {
  it('shares all draws out, each within one of its quota', () => {
    const weights = fc
      .array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 8 })
      .filter((weights) => weights.some((weight) => weight > 1e-6));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), weights, (draws, weights) => {
        const shares = apportion(draws, weights);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(draws);
        for (const [i, share] of shares.entries()) {
          expect(Math.abs(share - ((weights[i] as number) / total) * draws)).toBeLessThan(1 + 1e-5);
        }
      }),
    );
  });

  it('gives what is left to the largest remainders, of equal ones to the first', () => {
    expect(apportion(10, [1, 1, 1])).toEqual([4, 3, 3]);
    expect(apportion(10, [0.25, 0.75])).toEqual([3, 7]);
    expect(apportion(3, [1, 1000])).toEqual([0, 3]);
  });
});
