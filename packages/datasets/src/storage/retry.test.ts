import { beforeEach, describe, expect, it, vi } from 'vitest';
import { pausesFor } from './retry.js';

describe('pausesFor', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
    return () => vi.useRealTimers();
  });

  it('doubles pauses up to 5 s, each between its half and its whole', () => {
    const pauses = pausesFor(3_600_000);
    for (const most of [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]) {
      const pause = pauses.next().value as number;
      expect(pause).toBeGreaterThanOrEqual(most / 2);
      expect(pause).toBeLessThanOrEqual(most);
    }
  });

  it.each([0, 1, 250, 60_000])('fills a budget of %d ms, attempts counted, and ends with it', (budget) => {
    const began = performance.now();
    for (const pause of pausesFor(budget)) vi.advanceTimersByTime(pause + 1);
    const took = performance.now() - began;
    expect(took).toBeGreaterThanOrEqual(budget);
    expect(took).toBeLessThanOrEqual(budget + 1);
  });
});
