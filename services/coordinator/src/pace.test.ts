import { expect, test } from 'vitest';
import { Pace } from './pace.js';

function paceOf(...seen: number[]): number {
  const pace = new Pace();
  for (const ms of seen) pace.record(ms);
  return pace.usualMs;
}

test('a run of which little is known is taken to be slow', () => {
  expect(paceOf()).toBe(5_000);
  expect(paceOf(10, 10, 10, 10)).toBe(5_000);
  expect(paceOf(10, 10, 10, 10, 10)).toBe(10);
});

test('a few late chunks move nothing, and old ones are forgotten', () => {
  expect(paceOf(100, 90_000, 110, 90_000, 105)).toBe(110);
  expect(paceOf(...Array(64).fill(100), ...Array(31).fill(700))).toBe(100);
  expect(paceOf(...Array(64).fill(100), ...Array(40).fill(700))).toBe(700);
});
