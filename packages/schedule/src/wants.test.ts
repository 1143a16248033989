import fc from 'fast-check';
import { expect, test } from 'vitest';
import { epochPlan, stepRange } from './plan.js';
import { wantedChunks } from './wants.js';

test('the windows of all ranks together want every position of the steps once, in chunks of at most the limit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 12 }),
      (samples, batch, worldSize, chunkSize, nextStep, steps) => {
        const plan = epochPlan({ samples, globalBatchSize: batch, dropLast: false });
        const seen = new Map<string, number>();
        for (let rank = 0; rank < worldSize; rank++) {
          for (const c of wantedChunks(plan, chunkSize, {
            rank,
            worldSize,
            nextStep,
            windowEnd: nextStep + steps,
          })) {
            expect(c.last - c.first).toBeLessThanOrEqual(chunkSize);
            for (let p = c.first; p < c.last; p++) {
              const key = `${c.epoch}/${p}`;
              seen.set(key, (seen.get(key) ?? 0) + 1);
            }
          }
        }
        let expected = 0;
        for (let s = nextStep; s < nextStep + steps; s++) {
          const range = stepRange(plan, s % plan.stepsPerEpoch);
          expected += range.last - range.first;
        }
        expect(seen.size).toBe(expected);
        expect([...seen.values()].every((n) => n === 1)).toBe(true);
      },
    ),
  );
});
