import { describe, expect, test } from 'vitest';
import { distribution, histogram, stallsByKind } from './stalls.mjs';
import { compareStreams } from './streams.mjs';

const stream = ['0 a', '1 b', '2 c'];

describe('a joined stream', () => {
  test('is the undisturbed one, or says what is wrong with it', () => {
    expect(compareStreams(stream, stream)).toMatchObject({ equal: true, lost: 0, repeated: 0, other: 0 });
    expect(compareStreams(['0 a', '2 c'], stream)).toMatchObject({ equal: false, lost: 1 });
    expect(compareStreams(['0 a', '1 b', '1 b', '2 c'], stream)).toMatchObject({ equal: false, repeated: 1 });
    expect(compareStreams(['0 a', '1 x', '2 c'], stream)).toMatchObject({ equal: false, lost: 0, other: 1 });
    expect(compareStreams(['1 b', '0 a', '2 c'], stream)).toMatchObject({ equal: false, lost: 0, other: 0 });
  });
});

describe('stalls', () => {
  const fault = { gapMs: 0, index: 0, forMs: 0, early: false, forgetMs: 0 };

  test('are the longest wait between a fault and the next', () => {
    const faults = [
      { ...fault, kind: 'kill', part: 'worker', at: 1_000 },
      { ...fault, kind: 'cut', part: 'redis', at: 2_000 },
    ] as const;
    const waits = [
      { rank: 0, from: 0, to: 900 },
      { rank: 0, from: 1_100, to: 1_500 },
      { rank: 1, from: 1_900, to: 2_100 },
    ];
    expect([...stallsByKind(faults, waits)]).toEqual([
      ['worker kill', [400]],
      ['redis cut', [200]],
    ]);
  });

  test('of a trainer that was struck itself are its own alone', () => {
    const faults = [{ ...fault, kind: 'kill', part: 'trainer', index: 1, forMs: 500, at: 1_000 }] as const;
    const waits = [
      { rank: 0, from: 1_000, to: 1_050 },
      { rank: 1, from: 1_600, to: 2_000 },
    ];
    expect([...stallsByKind(faults, waits)]).toEqual([
      ['trainer kill, until it is back', [500]],
      ['trainer kill', [50]],
    ]);
  });

  test('are told as percentiles and in bins', () => {
    const values = Array.from({ length: 100 }, (_, i) => i);
    expect(distribution(values)).toEqual({ count: 100, p50: 50, p90: 90, p99: 99, max: 99 });
    expect(distribution([])).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, max: 0 });
    expect(histogram(values).reduce((sum, { count }) => sum + count, 0)).toBe(100);
    expect(histogram([20_000]).at(-1)).toEqual({ from: 10_000, to: null, count: 1 });
  });
});
