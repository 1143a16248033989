import { VirtualClock } from '@cropstream/runtime/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectExact, openStream, outcome } from '../test/checks.js';
import { FakeFleet, type FetchFate, type RelayFate } from '../test/fake-fleet.js';
import { FakeRun } from '../test/fake-run.js';
import type { Batch } from './batch.js';

const FATES: readonly FetchFate[] = [
  'cut',
  'damaged',
  'short',
  'not-found',
  'unreachable',
  'silent',
  'other',
];

const RELAY_FATES: readonly RelayFate[] = [...FATES, 'gone', 'lost', 'full', 'away'];

/** mulberry32: a stream of fates from one seed, so that fast-check replays and shrinks a failing schedule. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

const schedule = fc.record({
  seed: fc.nat(),
  samples: fc.integer({ min: 8, max: 40 }),
  globalBatchSize: fc.integer({ min: 1, max: 8 }),
  chunkSize: fc.integer({ min: 1, max: 5 }),
  dropLast: fc.boolean(),
  worldSize: fc.integer({ min: 1, max: 3 }),
  steps: fc.integer({ min: 1, max: 4 }),
  trouble: fc.constantFrom(0, 0.1, 0.4),
  relay: fc.constantFrom('auto' as const, 'always' as const, 'never' as const),
});

describe('BatchStream under any schedule of arrivals, faults and deaths', () => {
  it('yields exactly the rank’s batches in order and holds no more than its credits', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async (given) => {
        const random = generator(given.seed);
        const happens = () => random() < given.trouble;
        const run = new FakeRun(given);
        const clock = new VirtualClock();
        const fleet = new FakeFleet(run, clock, {
          delay: () => Math.floor(random() * 50),
          make: () => Math.floor(random() * 300),
          fetch: () => (happens() ? (FATES[Math.floor(random() * FATES.length)] as FetchFate) : 'ok'),
          relay: () =>
            happens() ? (RELAY_FATES[Math.floor(random() * RELAY_FATES.length)] as RelayFate) : 'ok',
          repeat: happens,
          drop: () => random() < given.trouble / 4,
        });
        const rank = given.seed % given.worldSize;
        const prefetch = { steps: given.steps, bytes: null };
        const { worldSize, relay } = given;
        const stream = openStream(fleet, clock, { rank, worldSize, prefetch, random, relay });
        await outcome(clock, stream.start(60_000));
        const overhead = (24 + 3 * 8) / 24;
        for (let step = 0; step < 12; step++) {
          const batch = (await outcome(clock, stream.next())) as Batch;
          expectExact(run, batch, step, rank, given.worldSize);
          expect(stream.nextStep).toBe(step + 1);
          expect(stream.heldBytes).toBeLessThanOrEqual(stream.creditBytes * overhead);
        }
        expect(fleet.maxFetching).toBeLessThanOrEqual(4);
        expect(Math.max(...fleet.progress.map(({ nextStep }) => Number(nextStep)))).toBeLessThanOrEqual(12);
      }),
      { numRuns: 150 },
    );
  });
});
