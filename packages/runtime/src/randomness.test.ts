import { describe, expect, it } from 'vitest';
import { freePort, systemRandomness } from './index.js';
import { SeededRandomness } from './testing.js';

describe('randomness', () => {
  it('gives fresh ids, and numbers below one', () => {
    expect(systemRandomness.id()).not.toBe(systemRandomness.id());
    for (let i = 0; i < 100; i++) expect(systemRandomness.uniform()).toBeLessThan(1);
  });

  it('repeats itself for a seed', () => {
    const draw = (seed: number) => {
      const random = new SeededRandomness(seed);
      return [random.id(), random.uniform(), random.id(), random.uniform()];
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(new Set(Array.from({ length: 1_000 }, (_, seed) => draw(seed)[0])).size).toBe(1_000);
  });
});

describe('freePort', () => {
  it('names a port that can be had', async () => {
    expect(await freePort('127.0.0.1')).toBeGreaterThan(1_023);
  });
});
