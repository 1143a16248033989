import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { runKeyOf } from '../names.js';
import type { OutstandingRecord } from '../records.js';
import type { Store } from '../store.js';
import { exampleReady, exampleRun, exampleWorker, type StoreUnderTest } from './examples.js';

const C = '0-0-4';
const MINUTE = 60_000;

/** The part of the store's contract that delivery leans on most: claims, attempts, completions. */
export function chunkContract(
  test: (name: string, body: (under: StoreUnderTest) => Promise<void>) => void,
): void {
  describe('a store of chunks', () => {
    test('follows a chunk from its claim to its loss', async ({ store }) => {
      await withRun(store);
      expect(await store.chunkStates('o1.d1', [C])).toEqual([{ state: 'none' }]);
      const { attempt, ...claimed } = await claim(store, C);
      expect(claimed).toMatchObject({ chunk: C, takenBy: null, takenAt: null, failures: 0, deaths: 0 });
      expect(await store.claim('o1.d1', C, 9)).toMatchObject({
        state: 'outstanding',
        outstanding: { attempt },
      });
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(true);
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(true);
      const [begun] = await store.outstanding('o1.d1');
      expect(begun).toMatchObject({ chunk: C, attempt, takenBy: 'w1' });
      expect(begun?.takenAt).toBeGreaterThanOrEqual(begun?.claimedAt ?? Number.NaN);
      const ready = exampleReady(C, attempt);
      expect(await store.publish('o1.d1', ready)).toBe(true);
      expect(await store.chunkStates('o1.d1', [C, '0-4-8'])).toEqual([
        { state: 'ready', ready },
        { state: 'none' },
      ]);
      expect(await store.outstanding('o1.d1')).toEqual([]);
      expect(await store.claim('o1.d1', C, 9)).toEqual({ state: 'ready', ready });
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(false);
      expect(await store.retract('o1.d1', C, 'w2', attempt)).toBe(false);
      expect(await store.retract('o1.d1', C, 'w1', attempt + 1)).toBe(false);
      expect(await store.retract('o1.d1', C, 'w1', attempt)).toBe(true);
      expect(await store.chunkStates('o1.d1', [C])).toEqual([{ state: 'none' }]);
    });

    test('never gives a chunk an attempt twice, nor a smaller one', async ({ store }) => {
      await withRun(store);
      await claim(store, '0-4-8');
      let last = (await claim(store, C)).attempt;
      expect(last).toBe(1);
      await store.release('o1.d1', C, last, 'abandoned');
      for (const end of ['release', 'retract', 'release'] as const) {
        const { attempt } = await claim(store, C);
        expect(attempt).toBeGreaterThan(last);
        last = attempt;
        if (end === 'release') await store.release('o1.d1', C, attempt, 'abandoned');
        else {
          await store.publish('o1.d1', exampleReady(C, attempt));
          await store.retract('o1.d1', C, 'w1', attempt);
        }
      }
    });

    test("counts a run's share over what waits in the queue alone", async ({ store }) => {
      await withRun(store);
      await store.openRun(exampleRun({ name: 'two', digest: 'd2' }));
      const first = await claim(store, '0-0-4', 2);
      await claim(store, '0-4-8', 2);
      expect(await store.claim('o1.d1', '0-8-12', 2)).toEqual({ refused: 'share' });
      expect(await store.claim('o1.d1', '0-0-4', 2)).toMatchObject({ state: 'outstanding' });
      expect(await store.claim('o1.d2', '0-8-12', 1)).toHaveProperty('claimed');
      await store.begin('o1.d1', '0-0-4', first.attempt, 'w1');
      const third = await claim(store, '0-8-12', 2);
      expect(await store.claim('o1.d1', '0-12-16', 2)).toEqual({ refused: 'share' });
      // Taken chunks that end free no share; waiting ones do.
      await store.publish('o1.d1', exampleReady('0-0-4', first.attempt));
      expect(await store.claim('o1.d1', '0-12-16', 2)).toEqual({ refused: 'share' });
      await store.release('o1.d1', '0-8-12', third.attempt, 'abandoned');
      await claim(store, '0-12-16', 2);
      expect(await store.claim('o1.d1', '0-16-20', 2)).toEqual({ refused: 'share' });
      await store.failChunk('o1.d1', '0-12-16', '{}');
      await claim(store, '0-16-20', 2);
    });

    test('claims many chunks that are asked for at once in their order', async ({ store }) => {
      await withRun(store);
      const names = Array.from({ length: 10 }, (_, i) => `0-${4 * i}-${4 * i + 4}`);
      await store.publish('o1.d1', exampleReady(names[1]!, (await claim(store, names[1]!)).attempt));
      const answers = await Promise.all(names.map((chunk) => store.claim('o1.d1', chunk, 4)));
      expect(answers.map((answer) => Object.keys(answer)[0])).toEqual([
        ...['claimed', 'state', 'claimed', 'claimed', 'claimed'],
        ...Array.from({ length: 5 }, () => 'refused'),
      ]);
      const states = await store.chunkStates('o1.d1', names);
      expect(states.filter(({ state }) => state === 'outstanding')).toHaveLength(4);
      const lost = await Promise.allSettled(names.map((chunk) => store.claim('lost', chunk, 4)));
      for (const each of lost) expect(each).toMatchObject({ reason: { code: 'RUN_NOT_FOUND' } });
    });

    test('lets one worker begin an attempt', async ({ store }) => {
      await withRun(store);
      const { attempt } = await claim(store, C);
      expect(await store.begin('o1.d1', C, attempt + 1, 'w1')).toBe(false);
      expect(await store.begin('o1.d1', '0-4-8', attempt, 'w1')).toBe(false);
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(true);
      expect(await store.begin('o1.d1', C, attempt, 'w2')).toBe(false);
      await store.release('o1.d1', C, attempt, 'death');
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(false);
      const second = await claim(store, C);
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(false);
      expect(await store.begin('o1.d1', C, second.attempt, 'w2')).toBe(true);
      expect(await store.begin('unheard-of', C, 1, 'w1')).toBe(false);
    });

    test('gives a chunk that is being made one hedge, for another worker', async ({ store }) => {
      await withRun(store);
      const late = await claim(store, C);
      expect(await store.hedge('o1.d1', C, late.attempt, 100)).toBeNull();
      await store.begin('o1.d1', C, late.attempt, 'w1');
      expect(await store.hedge('o1.d1', C, late.attempt + 1, 100)).toBeNull();
      const hedge = (await store.hedge('o1.d1', C, late.attempt, 100))!;
      expect(hedge).toBeGreaterThan(late.attempt);
      expect(await store.hedge('o1.d1', C, late.attempt, 100)).toBeNull();
      expect(await store.hedge('o1.d1', C, hedge, 100)).toBeNull();
      expect(await store.chunkStates('o1.d1', [C])).toMatchObject([
        { outstanding: { attempt: late.attempt, takenBy: 'w1', hedge: { attempt: hedge, takenBy: null } } },
      ]);
      expect(await store.begin('o1.d1', C, hedge, 'w1')).toBe(false);
      expect(await store.begin('o1.d1', C, hedge, 'w2')).toBe(true);
      expect(await store.begin('o1.d1', C, hedge, 'w2')).toBe(true);
      expect(await store.begin('o1.d1', C, hedge, 'w3')).toBe(false);
      expect(await store.begin('o1.d1', C, late.attempt, 'w1')).toBe(true);
      expect(await store.outstanding('o1.d1')).toMatchObject([{ hedge: { attempt: hedge, takenBy: 'w2' } }]);
      expect(await store.publish('o1.d1', exampleReady(C, hedge, 'w2'))).toBe(true);
      expect(await store.publish('o1.d1', exampleReady(C, late.attempt, 'w1'))).toBe(false);
      expect(await store.outstanding('o1.d1')).toEqual([]);
      expect(await store.hedge('unheard-of', C, 1, 100)).toBeNull();
    });

    test("counts nothing of a hedge's end, and leaves the late attempt as it is", async ({ store }) => {
      await withRun(store);
      const late = await claim(store, C);
      await store.begin('o1.d1', C, late.attempt, 'w1');
      for (const why of ['failure', 'death', 'abandoned'] as const) {
        const hedge = (await store.hedge('o1.d1', C, late.attempt, 1_000))!;
        if (why !== 'abandoned') await store.begin('o1.d1', C, hedge, 'w2');
        expect(await store.release('o1.d1', C, hedge, why)).toEqual({ failures: 0, deaths: 0 });
        expect(await store.begin('o1.d1', C, hedge, 'w2')).toBe(false);
      }
      const [left] = await store.outstanding('o1.d1');
      expect(left).toMatchObject({ attempt: late.attempt, takenBy: 'w1', hedge: null });
      expect(await store.release('o1.d1', C, late.attempt, 'failure')).toEqual({ failures: 1, deaths: 0 });
      expect(await store.chunkStates('o1.d1', [C])).toEqual([{ state: 'none' }]);
    });

    test('goes on with the hedge where the late attempt ends', async ({ store }) => {
      await withRun(store);
      const late = await claim(store, C);
      await store.begin('o1.d1', C, late.attempt, 'w1');
      const hedge = (await store.hedge('o1.d1', C, late.attempt, 100))!;
      expect(await store.release('o1.d1', C, late.attempt, 'death')).toEqual({ failures: 0, deaths: 1 });
      // Nobody has begun it: it waits as any claim does, and the former maker may make it too.
      expect(await store.claim('o1.d1', '0-4-8', 1)).toEqual({ refused: 'share' });
      expect(await store.claim('o1.d1', C, 9)).toMatchObject({
        outstanding: { attempt: hedge, takenBy: null, takenAt: null, deaths: 1, hedge: null },
      });
      expect(await store.begin('o1.d1', C, hedge, 'w1')).toBe(true);
      await claim(store, '0-4-8', 1);
      const begun = await claim(store, '0-8-12');
      await store.begin('o1.d1', '0-8-12', begun.attempt, 'w1');
      const other = (await store.hedge('o1.d1', '0-8-12', begun.attempt, 100))!;
      await store.begin('o1.d1', '0-8-12', other, 'w2');
      await store.release('o1.d1', '0-8-12', begun.attempt, 'abandoned');
      expect(await store.chunkStates('o1.d1', ['0-8-12'])).toMatchObject([
        { outstanding: { attempt: other, takenBy: 'w2', takenAt: expect.any(Number), hedge: null } },
      ]);
      expect(await store.release('o1.d1', '0-8-12', other, 'failure')).toEqual({ failures: 1, deaths: 0 });
    });

    test('hedges a share of the claims, and one more', async ({ store }) => {
      await withRun(store);
      const hedges: number[] = [];
      for (let i = 0; i < 25; i++) {
        const chunk = `0-${i}-${i + 1}`;
        const { attempt } = await claim(store, chunk);
        await store.begin('o1.d1', chunk, attempt, 'w1');
        if ((await store.hedge('o1.d1', chunk, attempt, 10)) !== null) hedges.push(i);
      }
      // Of 1, 10 and 20 claims.
      expect(hedges).toEqual([0, 9, 19]);
    });

    test('takes the first completion, of whichever attempt', async ({ store }) => {
      await withRun(store);
      await store.beat(exampleWorker({ id: 'w2' }), 10 * MINUTE);
      const slow = await claim(store, C);
      await store.begin('o1.d1', C, slow.attempt, 'w1');
      await store.release('o1.d1', C, slow.attempt, 'abandoned');
      expect(await store.publish('o1.d1', exampleReady(C, slow.attempt))).toBe(false);
      const quick = await claim(store, C);
      await store.begin('o1.d1', C, quick.attempt, 'w2');
      expect(await store.publish('o1.d1', exampleReady(C, slow.attempt, 'w1'))).toBe(true);
      expect(await store.publish('o1.d1', exampleReady(C, quick.attempt, 'w2'))).toBe(false);
      expect(await store.chunkStates('o1.d1', [C])).toMatchObject([{ ready: { workerId: 'w1' } }]);
      expect(await store.publish('unheard-of', exampleReady(C, 1))).toBe(false);
    });

    test('counts failures and deaths apart, each attempt once, until the chunk is made', async ({
      store,
    }) => {
      await withRun(store);
      const first = await claim(store, C);
      expect(await store.release('o1.d1', C, first.attempt, 'failure')).toEqual({ failures: 1, deaths: 0 });
      expect(await store.release('o1.d1', C, first.attempt, 'failure')).toEqual({ failures: 1, deaths: 0 });
      const second = await claim(store, C);
      expect(second).toMatchObject({ failures: 1, deaths: 0 });
      expect(await store.release('o1.d1', C, first.attempt, 'death')).toEqual({ failures: 1, deaths: 0 });
      expect(await store.release('o1.d1', C, second.attempt, 'death')).toEqual({ failures: 1, deaths: 1 });
      const third = await claim(store, C);
      expect(await store.release('o1.d1', C, third.attempt, 'abandoned')).toEqual({ failures: 1, deaths: 1 });
      const fourth = await claim(store, C);
      await store.publish('o1.d1', exampleReady(C, fourth.attempt));
      await store.retract('o1.d1', C, 'w1', fourth.attempt);
      expect(await claim(store, C)).toMatchObject({ failures: 0, deaths: 0 });
      expect(await store.release('unheard-of', C, 1, 'death')).toEqual({ failures: 0, deaths: 0 });
    });

    test('holds a failed chunk as failed, over a completion that comes too late', async ({ store }) => {
      await withRun(store);
      const { attempt } = await claim(store, C);
      await store.failChunk('o1.d1', C, '{"code":"CHUNK_FAILED"}');
      const failed = { state: 'failed', failed: { chunk: C, errorJson: '{"code":"CHUNK_FAILED"}' } };
      expect(await store.chunkStates('o1.d1', [C])).toEqual([failed]);
      expect(await store.claim('o1.d1', C, 9)).toEqual(failed);
      expect(await store.begin('o1.d1', C, attempt, 'w1')).toBe(false);
      expect(await store.publish('o1.d1', exampleReady(C, attempt))).toBe(false);
      expect(await store.outstanding('o1.d1')).toEqual([]);
    });

    test('forgets failures and counts with the run', async ({ store }) => {
      await withRun(store);
      await store.failChunk('o1.d1', C, '{}');
      const { attempt } = await claim(store, '0-4-8');
      await store.release('o1.d1', '0-4-8', attempt, 'death');
      await store.closeRun('o1', 'one');
      await store.openRun(exampleRun());
      expect(await claim(store, C)).toMatchObject({ failures: 0, deaths: 0 });
      expect(await claim(store, '0-4-8')).toMatchObject({ failures: 0, deaths: 0 });
    });

    test('does not fail a chunk that was made after all', async ({ store }) => {
      await withRun(store);
      const { attempt } = await claim(store, C);
      await store.publish('o1.d1', exampleReady(C, attempt));
      await store.failChunk('o1.d1', C, '{}');
      expect(await store.chunkStates('o1.d1', [C])).toMatchObject([{ state: 'ready' }]);
    });

    test('holds what a gone worker had ready as not ready, and what it had begun as outstanding', async (under) => {
      const { store, advance } = under;
      await store.openRun(exampleRun());
      await store.beat(exampleWorker(), 500);
      const made = await claim(store, C);
      await store.begin('o1.d1', C, made.attempt, 'w1');
      await store.publish('o1.d1', exampleReady(C, made.attempt));
      const begun = await claim(store, '0-4-8');
      await store.begin('o1.d1', '0-4-8', begun.attempt, 'w1');
      await advance(700);
      expect(await store.chunkStates('o1.d1', [C, '0-4-8'])).toMatchObject([
        { state: 'none' },
        { state: 'outstanding', outstanding: { takenBy: 'w1' } },
      ]);
      // Its return does not bring the record back: the chunk may be another's by now.
      await store.beat(exampleWorker(), 10 * MINUTE);
      expect(await store.chunkStates('o1.d1', [C])).toEqual([{ state: 'none' }]);
      await claim(store, C);
    });

    test('holds what a worker had that left as not ready', async ({ store }) => {
      await withRun(store);
      const { attempt } = await claim(store, C);
      await store.publish('o1.d1', exampleReady(C, attempt));
      await store.leave('w1');
      expect(await store.chunkStates('o1.d1', [C])).toEqual([{ state: 'none' }]);
    });

    test('keeps its promises under any order of calls', async ({ store }) => {
      const workers = ['w1', 'w2'];
      let name = 0;
      const call = fc.record({
        what: fc.constantFrom('claim', 'begin', 'hedge', 'publish', 'failure', 'death', 'retract', 'fail'),
        chunk: fc.constantFrom('0-0-4', '0-4-8', '0-8-12'),
        worker: fc.constantFrom(...workers),
        old: fc.nat(2),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(call, { maxLength: 40 }),
          fc.integer({ min: 1, max: 3 }),
          async (calls, share) => {
            const run = exampleRun({ name: `run${name++}`, digest: `d${name}` });
            const key = runKeyOf(run);
            await store.openRun(run);
            for (const id of workers) await store.beat(exampleWorker({ id }), 10 * MINUTE);
            const attempts = new Map<string, number[]>();
            for (const { what, chunk, worker, old } of calls) {
              const given = attempts.get(chunk) ?? [];
              const attempt = given.at(-1 - old) ?? 0;
              const [before] = await store.chunkStates(key, [chunk]);
              if (what === 'claim') {
                const answer = await store.claim(key, chunk, share);
                if ('claimed' in answer) {
                  expect(before).toEqual({ state: 'none' });
                  expect(answer.claimed.attempt).toBeGreaterThan(given.at(-1) ?? 0);
                  const waiting = (await store.outstanding(key)).filter(({ takenBy }) => takenBy === null);
                  expect(waiting.length).toBeLessThanOrEqual(share);
                  attempts.set(chunk, [...given, answer.claimed.attempt]);
                }
              } else if (what === 'begin') {
                const begun = await store.begin(key, chunk, attempt, worker);
                if (begun) {
                  const made = before?.state === 'outstanding' ? before.outstanding : null;
                  expect([made?.attempt, made?.hedge?.attempt]).toContain(attempt);
                  if (made?.hedge?.attempt === attempt) expect(made.takenBy).not.toBe(worker);
                }
              } else if (what === 'hedge') {
                const hedge = await store.hedge(key, chunk, attempt, 1_000);
                if (hedge !== null) {
                  expect(before).toMatchObject({ outstanding: { attempt, hedge: null } });
                  expect(hedge).toBeGreaterThan(given.at(-1) ?? 0);
                  attempts.set(chunk, [...given, hedge]);
                }
              } else if (what === 'publish') {
                const won = await store.publish(key, exampleReady(chunk, attempt, worker));
                expect(won).toBe(before?.state === 'outstanding');
              } else if (what === 'retract') await store.retract(key, chunk, worker, attempt);
              else if (what === 'fail') await store.failChunk(key, chunk, '{}');
              else await store.release(key, chunk, attempt, what);
              const outstanding = await store.outstanding(key);
              expect(new Set(outstanding.map((record) => record.chunk)).size).toBe(outstanding.length);
            }
            await store.closeRun(run.owner, run.name);
          },
        ),
        { numRuns: 60 },
      );
    });
  });
}

async function withRun(store: Store): Promise<void> {
  await store.openRun(exampleRun());
  await store.beat(exampleWorker(), 10 * MINUTE);
}

async function claim(store: Store, chunk: string, share = 9): Promise<OutstandingRecord> {
  const answer = await store.claim('o1.d1', chunk, share);
  if (!('claimed' in answer)) return expect.unreachable(`not claimed: ${JSON.stringify(answer)}`);
  return answer.claimed;
}
