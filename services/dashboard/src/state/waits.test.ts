import type { Rank } from '@cropstream/api';
import { expect, test } from 'vitest';
import { WaitMeter } from './waits.js';

const rank = (waited: number, elapsed: number, of: Partial<Rank> = {}): Rank => ({
  run: 'r',
  consumer: 'job',
  rank: 0,
  world_size: 1,
  next_step: 0,
  epoch: 0,
  step_in_epoch: 0,
  window_end: 1,
  credit_chunks: 8,
  waited_seconds: waited,
  elapsed_seconds: elapsed,
  demand_samples_per_second: null,
  trainer: 'host:1',
  coordinator: 'c',
  ...of,
});

test('a share is taken over the last seconds, not since the beginning', () => {
  const meter = new WaitMeter();
  meter.add('r', [rank(50, 50)]);
  expect(meter.shareOf(rank(0, 0))).toBeNull();
  for (let s = 1; s <= 20; s++) meter.add('r', [rank(50 + s / 4, 50 + s)]);
  expect(meter.shareOf(rank(0, 0))).toBeCloseTo(1 / 4);
});

test('a trainer that started again begins anew, and one that left is forgotten', () => {
  const meter = new WaitMeter();
  meter.add('r', [rank(5, 100)]);
  meter.add('r', [rank(1, 1)]);
  expect(meter.shareOf(rank(0, 0))).toBeNull();
  meter.add('r', [rank(2, 2)]);
  expect(meter.shareOf(rank(0, 0))).toBe(1);
  meter.add('other', []);
  expect(meter.shareOf(rank(0, 0))).toBe(1);
  meter.add('r', []);
  expect(meter.shareOf(rank(0, 0))).toBeNull();
});
