/**
 * The order's statistics. Seeds are fixed, so a test that passes passes for ever; each bound is the tail of the
 * statistic's own distribution under true random permutations, at one in a million a statistic.
 */
import { describe, expect, it } from 'vitest';
import { chiSquareP, poissonP, uniformP } from '../test-support/statistics.js';
import { EpochOrder, SubstituteOrder } from './index.js';

const SIGNIFICANCE = 1e-6;

function orderOf(seed: number, epoch: number, length: number): Uint32Array {
  const order = new EpochOrder({ seed, epoch, length, shuffle: true });
  return Uint32Array.from({ length }, (_, position) => order.at(position));
}

function inverseOf(order: Uint32Array): Uint32Array {
  const inverse = new Uint32Array(order.length);
  for (const [position, id] of order.entries()) inverse[id] = position;
  return inverse;
}

/** Cycles of each length up to `longest` in a permutation: of true random ones, Poisson with mean 1 / length. */
function countCycles(permutation: Uint32Array, longest: number): number[] {
  const counts = new Array<number>(longest + 1).fill(0);
  const seen = new Uint8Array(permutation.length);
  for (let start = 0; start < permutation.length; start++) {
    let length = 0;
    for (let at = start; seen[at] === 0; at = permutation[at] as number) {
      seen[at] = 1;
      length++;
    }
    if (length > 0 && length <= longest) counts[length]!++;
  }
  return counts;
}

describe('uniformity', () => {
  it.each([
    [2, 2],
    [3, 6],
    [4, 24],
    [5, 120],
  ])('all orders of %i samples are equally likely', (length, permutations) => {
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 5000; epoch++) {
      const key = orderOf(7, epoch, length).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(permutations);
    expect(uniformP([...counts.values()])).toBeGreaterThan(SIGNIFICANCE);
  });

  it.each([7, 16, 33, 64])('each of %i samples stands at each position equally often', (length) => {
    const epochs = 3000;
    const counts = new Float64Array(length * length);
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (const [position, id] of orderOf(11, epoch, length).entries()) counts[position * length + id]!++;
    }
    // Rows and columns sum to `epochs`: (n-1)/n X^2 is chi-square with (n-1)^2 degrees (Anderson 1959).
    const expected = epochs / length;
    const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquareP((statistic * (length - 1)) / length, (length - 1) ** 2)).toBeGreaterThan(SIGNIFICANCE);
  });

  it.each([10_007, 1_281_167, 2 ** 32 + 15, 2 ** 40 - 87, 2 ** 40])(
    'a batch of %i samples is spread evenly, and so is the step from one to the next',
    (length) => {
      const bins = 32;
      const places = new Float64Array(bins);
      const steps = new Float64Array(bins);
      const pairs = new Float64Array(bins * bins);
      const draws = 400;
      const binOf = (value: number) => Math.floor((value * bins) / length);
      for (let epoch = 0; epoch < 200; epoch++) {
        const order = new EpochOrder({ seed: 13, epoch, length, shuffle: true });
        // Independent pairs: consecutive ones would share a sample.
        const first = epoch % 2 === 0 ? 0 : Math.floor(length / 2);
        for (let i = 0; i < draws; i += 2) {
          const here = order.at(first + i);
          const next = order.at(first + i + 1);
          places[binOf(here)]!++;
          steps[binOf((next - here + length) % length)]!++;
          pairs[binOf(here) * bins + binOf(next)]!++;
        }
      }
      for (const counts of [places, steps, pairs]) expect(uniformP(counts)).toBeGreaterThan(SIGNIFICANCE);
    },
  );

  it('has as many short cycles as chance has', () => {
    const longest = 6;
    const epochs = 400;
    const counts = new Array<number>(longest + 1).fill(0);
    for (let epoch = 0; epoch < epochs; epoch++) {
      for (const [length, count] of countCycles(orderOf(17, epoch, 500), longest).entries())
        counts[length]! += count;
    }
    for (let length = 1; length <= longest; length++) {
      expect(poissonP(counts[length]!, epochs / length)).toBeGreaterThan(SIGNIFICANCE);
    }
  });
});

type Draw = [seed: number, epoch: number];

/** Pairs of draws that a weak key schedule would confuse. */
const NEIGHBOURS: [name: string, first: (i: number) => Draw, second: (i: number) => Draw][] = [
  ['neighbouring epochs', (i) => [5, i], (i) => [5, i + 1]],
  ['neighbouring seeds', (i) => [i, 3], (i) => [i + 1, 3]],
  ['the next seed and the epoch before', (i) => [i, i + 1], (i) => [i + 1, i]],
  ['seed and epoch exchanged', (i) => [i, i + 1000], (i) => [i + 1000, i]],
  ['seeds 2^32 apart', (i) => [i, 0], (i) => [i + 2 ** 32, 0]],
];

describe('independence', () => {
  it.each(NEIGHBOURS)('%s share no short cycles', (_, first, second) => {
    const small = 50;
    const trials = 2000;
    let shared = 0;
    for (let i = 0; i < trials; i++) {
      const a = orderOf(...first(i), small);
      const b = orderOf(...second(i), small);
      for (const [id, to] of a.entries())
        if (id <= to && a[to] === id && b[id] === to && b[to] === id) shared++;
    }
    // Cycles of 1 (chance 1/n^2 each, n of them) and of 2 (chance 1/(n(n-1))^2 each, n(n-1)/2 of them) in both.
    const mean = trials * (1 / small + 1 / (2 * small * (small - 1)));
    expect(poissonP(shared, mean)).toBeGreaterThan(SIGNIFICANCE);
  });

  it.each(NEIGHBOURS)('no rule leads from one to the other of %s', (_, first, second) => {
    // The permutation that turns one order into the other is as random as they are.
    const longest = 6;
    const repeats = 300;
    const counts = new Array<number>(longest + 1).fill(0);
    for (let i = 0; i < repeats; i++) {
      const a = orderOf(...first(i), 500);
      const b = orderOf(...second(i), 500);
      const aToB = inverseOf(a).map((position) => b[position] as number);
      for (const [length, count] of countCycles(aToB, longest).entries()) counts[length]! += count;
    }
    for (let length = 1; length <= longest; length++) {
      expect(poissonP(counts[length]!, repeats / length)).toBeGreaterThan(SIGNIFICANCE);
    }
  });

  it.each(NEIGHBOURS)('%s do not correlate, at any shift of the positions', (_, first, second) => {
    const length = 1024;
    const repeats = 60;
    const orders = Array.from({ length: repeats }, (_, i) =>
      [first, second].map((draw) => orderOf(...draw(i), length)),
    );
    for (const shift of [-64, -2, -1, 0, 1, 2, 64]) {
      let statistic = 0;
      let coincidences = 0;
      for (const [a, b] of orders as [Uint32Array, Uint32Array][]) {
        const mean = (length - 1) / 2;
        let covariance = 0;
        for (let p = 0; p < length; p++) {
          const other = b[(p + shift + length) % length] as number;
          covariance += (a[p]! - mean) * (other - mean);
          if (a[p] === other) coincidences++;
        }
        // Spearman's rho of independent permutations: variance 1 / (n - 1), normal at this length.
        const rho = covariance / ((length * (length ** 2 - 1)) / 12);
        statistic += rho ** 2 * (length - 1);
      }
      expect(chiSquareP(statistic, repeats)).toBeGreaterThan(SIGNIFICANCE);
      expect(poissonP(coincidences, repeats)).toBeGreaterThan(SIGNIFICANCE);
    }
  });

  it('lengths that differ by one have orders of their own', () => {
    let coincidences = 0;
    const repeats = 300;
    for (let seed = 0; seed < repeats; seed++) {
      const a = orderOf(seed, 0, 500);
      const b = orderOf(seed, 0, 501);
      for (let p = 0; p < 500; p++) if (a[p] === b[p]) coincidences++;
    }
    expect(poissonP(coincidences, (repeats * 500) / 501)).toBeGreaterThan(SIGNIFICANCE);
  });
});

describe('the bounds themselves', () => {
  it('are those of the tables', () => {
    expect(chiSquareP(18.307, 10)).toBeCloseTo(0.1, 4);
    expect(chiSquareP(3.94, 10)).toBeCloseTo(0.1, 4);
    expect(chiSquareP(1118.948, 1000)).toBeCloseTo(0.01, 4);
    expect(poissonP(10, 4)).toBeCloseTo(2 * 0.008132, 5);
    expect(poissonP(0, 4)).toBeCloseTo(2 * Math.exp(-4), 8);
  });

  it('catch an order that is another one, shifted by a place', () => {
    const a = orderOf(1, 1, 500);
    const shifted = a.map((_, position) => a[(position + 1) % 500] as number);
    const coincidences = a.filter((_, position) => a[(position + 1) % 500] === shifted[position]).length;
    expect(poissonP(coincidences, 1)).toBeLessThan(SIGNIFICANCE);
    // What leads from one to the other is then a single cycle, so it has no short ones.
    const repeats = 30;
    const cycles = countCycles(
      inverseOf(a).map((position) => shifted[position] as number),
      6,
    );
    expect(poissonP(repeats * (cycles[1] as number), repeats)).toBeLessThan(SIGNIFICANCE);
  });

  it('catch epochs that only rotate one order', () => {
    const counts = new Float64Array(32);
    for (let epoch = 0; epoch < 2000; epoch++) counts[((orderOf(1, 0, 32)[0] as number) + 2 * epoch) % 32]!++;
    expect(uniformP(counts)).toBeLessThan(SIGNIFICANCE);
  });
});

describe('substitutes', () => {
  it('are spread evenly over the dataset, and apart from those of the next sample', () => {
    const length = 64;
    const bins = new Float64Array(length - 1);
    const differences = new Float64Array(length - 1);
    let before = 0;
    for (let epoch = 0; epoch < 200; epoch++) {
      for (let sampleId = 0; sampleId < length; sampleId++) {
        const order = new SubstituteOrder({ seed: 23, epoch, sampleId, length });
        // As a distance from the bad sample, in [0, length - 1).
        const distance = (order.probe(0) - sampleId - 1 + length) % length;
        bins[distance]!++;
        differences[(distance - before + length - 1) % (length - 1)]!++;
        before = distance;
      }
    }
    expect(uniformP(bins)).toBeGreaterThan(SIGNIFICANCE);
    expect(uniformP(differences)).toBeGreaterThan(SIGNIFICANCE);
  });
});
