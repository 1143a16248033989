import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DrawnPart,
  DrawOrder,
  EpochOrder,
  MAX_LENGTH,
  randomKey,
  type ShuffleWindow,
  SubstituteOrder,
} from './index.js';

interface Vectors {
  keys: { tag: 'order'; seed: number; epoch: number; key: string[] }[];
  orders: { seed: number; epoch: number; length: number; positions: number[]; samples: number[] }[];
  windows: {
    seed: number;
    epoch: number;
    length: number;
    block_size: number;
    blocks: number;
    run_size: number;
    samples: number[];
  }[];
  draws: {
    seed: number;
    epoch: number;
    parts: DrawnPart[];
    block_size?: number;
    blocks?: number;
    run_size?: number;
    draws: number[];
  }[];
  substitutes: { seed: number; epoch: number; sample_id: number; length: number; probes: number[] }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../docs/vectors/order.json', import.meta.url), 'utf8'),
) as Vectors;

describe('the published vectors, made by another implementation', () => {
  it.each(vectors.keys)('key of $tag, seed $seed, epoch $epoch', ({ tag, seed, epoch, key }) => {
    expect(randomKey(tag, seed, epoch)).toEqual(key.map((word) => Number.parseInt(word, 16)));
  });

  it.each(vectors.orders)('order of seed $seed, epoch $epoch, length $length', (vector) => {
    const order = new EpochOrder({ ...vector, shuffle: true });
    expect(vector.positions.map((position) => order.at(position))).toEqual(vector.samples);
  });

  it.each(vectors.windows)('window of seed $seed, epoch $epoch, length $length', (vector) => {
    const shuffle = { blockSize: vector.block_size, blocks: vector.blocks, runSize: vector.run_size };
    const order = new EpochOrder({ ...vector, shuffle });
    expect(vector.samples.map((_, position) => order.at(position))).toEqual(vector.samples);
  });

  it.each(vectors.draws)(
    'draws of seed $seed, epoch $epoch, $parts',
    ({ block_size, blocks, run_size, ...vector }) => {
      const shuffle =
        block_size && blocks && run_size ? { blockSize: block_size, blocks, runSize: run_size } : true;
      const order = new DrawOrder({ ...vector, shuffle });
      expect(vector.draws.map((_, position) => order.at(position))).toEqual(vector.draws);
      expect(order.length).toBe(vector.draws.length);
    },
  );

  it.each(vectors.substitutes)('substitutes of sample $sample_id of $length', (vector) => {
    const order = new SubstituteOrder({ ...vector, sampleId: vector.sample_id });
    expect(vector.probes.map((_, k) => order.probe(k))).toEqual(vector.probes);
  });
});

const natural = fc.maxSafeNat();

describe('EpochOrder', () => {
  it('is a bijection on [0, length) for any length, seed and epoch', () => {
    const length = fc.oneof(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.constantFrom(255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097),
    );
    fc.assert(
      fc.property(natural, natural, length, (seed, epoch, length) => {
        const order = new EpochOrder({ seed, epoch, length, shuffle: true });
        const seen = new Uint8Array(length);
        for (let position = 0; position < length; position++) seen[order.at(position)]!++;
        expect(seen.every((count) => count === 1)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('stays inside and repeats nothing at any length up to 2^40', () => {
    const length = fc.integer({ min: 1e6, max: MAX_LENGTH });
    fc.assert(
      fc.property(natural, natural, length, (seed, epoch, length) => {
        const order = new EpochOrder({ seed, epoch, length, shuffle: true });
        const positions = [0, 1, 2, 3, 500, Math.floor(length / 2), length - 2, length - 1];
        const unique = [...new Set(positions)];
        const samples = unique.map((position) => order.at(position));
        expect(samples.every((id) => Number.isInteger(id) && id >= 0 && id < length)).toBe(true);
        expect(new Set(samples).size).toBe(unique.length);
        expect(unique.map((position) => order.at(position))).toEqual(samples);
      }),
      { numRuns: 200 },
    );
  });

  it('is the identity without shuffle', () => {
    const order = new EpochOrder({ seed: 1, epoch: 2, length: 2 ** 35, shuffle: false });
    expect([0, 1, 77, 2 ** 34, 2 ** 35 - 1].map((p) => order.at(p))).toEqual([
      0,
      1,
      77,
      2 ** 34,
      2 ** 35 - 1,
    ]);
    expect(() => order.at(2 ** 35)).toThrow(RangeError);
  });

  it('refuses lengths, seeds and positions outside their ranges', () => {
    const make = (length: number, seed = 0) => new EpochOrder({ seed, epoch: 0, length, shuffle: true });
    for (const bad of [0, -1, 1.5, Number.NaN, MAX_LENGTH + 1]) expect(() => make(bad)).toThrow(RangeError);
    expect(() => make(10, -1)).toThrow(RangeError);
    for (const bad of [-1, 10, 0.5, Number.NaN]) expect(() => make(10).at(bad)).toThrow(RangeError);
  });
});

describe('a window shuffle', () => {
  const window = fc
    .record({
      runs: fc.integer({ min: 2, max: 9 }),
      runSize: fc.integer({ min: 1, max: 6 }),
      blocks: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ runs, runSize, blocks }) => ({ blockSize: runs * runSize, blocks, runSize }));
  const orderOf = (seed: number, epoch: number, length: number, shuffle: ShuffleWindow) => {
    const order = new EpochOrder({ seed, epoch, length, shuffle });
    return Array.from({ length }, (_, position) => order.at(position));
  };

  it('is a bijection whose windows hold whole blocks', () => {
    fc.assert(
      fc.property(
        natural,
        natural,
        fc.integer({ min: 1, max: 1500 }),
        window,
        (seed, epoch, length, window) => {
          const samples = orderOf(seed, epoch, length, window);
          expect([...samples].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, id) => id));
          const { blockSize, blocks } = window;
          for (let start = 0; start < length; start += blockSize * blocks) {
            const within = samples.slice(start, start + blockSize * blocks);
            const touched = new Set(within.map((id) => Math.floor(id / blockSize)));
            // The shorter block shifts those behind it, so that one more may reach into a window at either end.
            expect(touched.size).toBeLessThanOrEqual(blocks + 2);
          }
        },
      ),
    );
  });

  it('draws each run from one block', () => {
    const { length, runSize } = { length: 24_000, runSize: 8 };
    const samples = orderOf(5, 2, length, { blockSize: 80, blocks: 6, runSize });
    for (let start = 0; start < length; start += runSize) {
      const run = samples.slice(start, start + runSize);
      expect(new Set(run.map((id) => Math.floor(id / 80))).size).toBe(1);
      expect(run).not.toEqual([...run].sort((a, b) => a - b));
    }
    const blocks = Array.from({ length: 60 }, (_, run) => Math.floor(samples[run * runSize]! / 80));
    expect(new Set(blocks).size).toBe(6);
    expect(new Set(blocks.slice(0, 12)).size).toBeGreaterThan(3);
  });

  it('puts blocks and the samples of a window into another order every epoch', () => {
    const window = { blockSize: 100, blocks: 4, runSize: 5 };
    const [a, b] = [orderOf(1, 0, 10_000, window), orderOf(1, 1, 10_000, window)];
    expect(a).not.toEqual(b);
    const first = (samples: number[]) => new Set(samples.slice(0, 400).map((id) => Math.floor(id / 100)));
    expect(first(a)).not.toEqual(first(b));
    expect(a.slice(0, 400)).not.toEqual(a.slice(0, 400).sort((x, y) => x - y));
  });

  it('may put the shorter block anywhere', () => {
    const places = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      places.add(orderOf(seed, 0, 43, { blockSize: 10, blocks: 1, runSize: 10 }).findIndex((id) => id >= 40));
    }
    expect(Math.max(...places)).toBeGreaterThan(35);
    expect(Math.min(...places)).toBeLessThan(5);
  });

  it('is O(1) at 2^40', () => {
    const order = new EpochOrder({
      seed: 3,
      epoch: 4,
      length: 2 ** 40,
      shuffle: { blockSize: 1024, blocks: 16, runSize: 64 },
    });
    const ids = Array.from({ length: 2000 }, (_, i) => order.at(5e11 + i));
    expect(new Set(ids).size).toBe(2000);
    expect(new Set(ids.map((id) => Math.floor(id / 1024))).size).toBeLessThanOrEqual(17);
  });
});

describe('SubstituteOrder', () => {
  it('gives every other sample exactly once', () => {
    const input = fc
      .integer({ min: 1, max: 400 })
      .chain((length) => fc.tuple(fc.constant(length), fc.integer({ min: 0, max: length - 1 })));
    fc.assert(
      fc.property(natural, natural, input, (seed, epoch, [length, sampleId]) => {
        const order = new SubstituteOrder({ seed, epoch, sampleId, length });
        expect(order.count).toBe(length - 1);
        const probes = Array.from({ length: order.count }, (_, k) => order.probe(k));
        const others = Array.from({ length }, (_, id) => id).filter((id) => id !== sampleId);
        expect(probes.sort((a, b) => a - b)).toEqual(others);
      }),
      { numRuns: 100 },
    );
  });

  it('has no stand-in beyond its count', () => {
    expect(() => new SubstituteOrder({ seed: 0, epoch: 0, sampleId: 0, length: 1 }).probe(0)).toThrow(
      RangeError,
    );
    expect(() => new SubstituteOrder({ seed: 0, epoch: 0, sampleId: 2, length: 5 }).probe(4)).toThrow(
      RangeError,
    );
    expect(() => new SubstituteOrder({ seed: 0, epoch: 0, sampleId: 5, length: 5 })).toThrow(RangeError);
  });
});
