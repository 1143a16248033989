import { describe, expect, it } from 'vitest';
import { type Broker, MAX_PASSED } from '../broker.js';
import { jobId } from '../names.js';
import type { ChunkJob } from '../records.js';

/** A broker under test, alone on its backing service. */
export interface BrokerUnderTest {
  readonly broker: Broker;
  /** After how long an unfinished job goes to another taker. At least 500 where time is real. */
  readonly lockMs: number;
  /**
   * The broker as another process has it, and that process' sudden end. Where all takers are in one process a taker is
   * gone when it does not finish, so there this may be the same broker.
   */
  other(): Promise<{ readonly broker: Broker; vanish(): Promise<void> }>;
  /** Lets so much time pass for the broker, with every call made before already on its way. */
  advance(ms: number): Promise<void>;
  /** Ends what `make` started. */
  end(): Promise<void>;
}

export const exampleJob = (first: number, more: Partial<ChunkJob> = {}): ChunkJob => ({
  id: jobId('ab12', `0-${first}-${first + 2}`, more.attempt ?? 1),
  runKey: 'ab12',
  epoch: 0,
  first,
  last: first + 2,
  attempt: 1,
  indices: [7, 3],
  urgent: false,
  url: '/data',
  ...more,
});

/** The longest wait for a job that is there: far more than a busy machine takes. */
const SOON_MS = 10_000;

/** What every adapter of Broker must do: a suite to call in a vitest file, `make` giving a fresh broker a test. */
export function brokerContract(make: () => Promise<BrokerUnderTest>): void {
  const test = (name: string, body: (under: BrokerUnderTest) => Promise<void>) =>
    it(name, async () => {
      const under = await make();
      try {
        await body(under);
      } finally {
        await under.end();
      }
    });

  describe('a broker', () => {
    test('hands out jobs first come, first served, whole', async ({ broker }) => {
      const jobs = [0, 2, 4].map((first) => exampleJob(first));
      await broker.add('q', jobs.slice(0, 2));
      await broker.add('q', jobs.slice(2));
      expect(await broker.counts('q')).toEqual({ waiting: 3, active: 0 });
      for (const job of jobs) expect(await broker.take('q', 'w1', SOON_MS)).toEqual(job);
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 3 });
    });

    test('lets a taker have the first job that it prefers, of those that come next', async ({ broker }) => {
      const jobs = Array.from({ length: 40 }, (_, i) =>
        exampleJob(2 * i, { affinity: i === 30 ? 9 : i % 4 }),
      );
      await broker.add('q', jobs);
      const take = async (...prefers: number[]) => {
        const job = await broker.take('q', 'w1', SOON_MS, new Set(prefers));
        return (job?.first ?? Number.NaN) / 2;
      };
      // That jobs have affinities at all may show by the first.
      expect(await take()).toBe(0);
      expect([await take(3), await take(3), await take(1, 2), await take(2)]).toEqual([3, 7, 1, 2]);
      // Number 30 is too far away.
      expect(await take(9)).toBe(4);
      expect(await take(0)).toBe(8);
      // Number 5 has been passed over once: it is its turn when it has been so often enough.
      const taken: number[] = [];
      for (let i = 0; i < MAX_PASSED; i++) taken.push(await take(2, 3));
      expect(taken).toEqual([6, 10, 11, 14, 15, 18, 19, 5]);
    });

    test('hands out urgent jobs ahead of the others', async ({ broker }) => {
      await broker.add('q', [exampleJob(0), exampleJob(2)]);
      await broker.add('q', [exampleJob(4, { urgent: true })]);
      const firsts: (number | undefined)[] = [];
      for (let i = 0; i < 3; i++) firsts.push((await broker.take('q', 'w1', SOON_MS))?.first);
      expect(firsts).toEqual([4, 0, 2]);
    });

    test('leaves a job that waits or is active as it is', async ({ broker }) => {
      await broker.add('q', [exampleJob(0), exampleJob(0)]);
      await broker.add('q', [exampleJob(0)]);
      expect(await broker.counts('q')).toEqual({ waiting: 1, active: 0 });
      await broker.take('q', 'w1', SOON_MS);
      await broker.add('q', [exampleJob(0)]);
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 1 });
    });

    test('forgets a finished job, so that it may be added again', async ({ broker }) => {
      await broker.add('q', [exampleJob(0)]);
      await broker.take('q', 'w1', SOON_MS);
      await broker.finish('q', exampleJob(0).id, 'w1');
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 0 });
      await broker.add('q', [exampleJob(0)]);
      expect(await broker.take('q', 'w1', SOON_MS)).toEqual(exampleJob(0));
    });

    test('lets only its taker finish a job', async ({ broker }) => {
      await broker.add('q', [exampleJob(0)]);
      await broker.take('q', 'w1', SOON_MS);
      await broker.finish('q', exampleJob(0).id, 'w2');
      await broker.finish('q', 'unheard-of', 'w1');
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 1 });
    });

    test('waits for a job, and for no longer than it is told', async ({ broker, advance }) => {
      const early = broker.take('q', 'w1', 60_000);
      await broker.add('q', [exampleJob(0)]);
      expect(await early).toEqual(exampleJob(0));
      const late = broker.take('q', 'w1', 300);
      await advance(400);
      expect(await late).toBeNull();
      await broker.add('q', [exampleJob(2)]);
      expect(await broker.counts('q')).toEqual({ waiting: 1, active: 1 });
    });

    test('gives each job to one of many takers', async ({ broker, advance }) => {
      const takes = Array.from({ length: 8 }, (_, i) => broker.take('q', `w${i}`, 3_000));
      await broker.add(
        'q',
        Array.from({ length: 5 }, (_, i) => exampleJob(2 * i)),
      );
      await advance(3_100);
      const taken = (await Promise.all(takes)).filter((job) => job !== null);
      expect(taken.map((job) => job.first).sort()).toEqual([0, 2, 4, 6, 8]);
    });

    test('takes out jobs that wait, and no others', async ({ broker }) => {
      await broker.add('q', [exampleJob(0), exampleJob(2), exampleJob(4, { urgent: true })]);
      await broker.take('q', 'w1', SOON_MS);
      await broker.remove('q', [exampleJob(0).id, exampleJob(4).id, 'unheard-of']);
      expect(await broker.counts('q')).toEqual({ waiting: 1, active: 1 });
      expect((await broker.take('q', 'w1', SOON_MS))?.first).toBe(2);
    });

    test('keeps queues apart', async ({ broker, advance }) => {
      await broker.add('one', [exampleJob(0)]);
      const other = broker.take('two', 'w1', 200);
      await advance(300);
      expect(await other).toBeNull();
      expect(await broker.counts('two')).toEqual({ waiting: 0, active: 0 });
    });

    test('hands a job out again when its taker is gone', async ({ broker, other, lockMs, advance }) => {
      await broker.add('q', [exampleJob(0)]);
      const gone = await other();
      expect(await gone.broker.take('q', 'gone', SOON_MS)).toEqual(exampleJob(0));
      await gone.vanish();
      await advance(2 * lockMs);
      expect(await broker.take('q', 'w2', 10 * lockMs)).toEqual(exampleJob(0));
      await broker.finish('q', exampleJob(0).id, 'gone');
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 1 });
      await broker.finish('q', exampleJob(0).id, 'w2');
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 0 });
    });

    test('does not hand a job to the taker that has it, however long', async (under) => {
      const { broker, lockMs, advance } = under;
      await broker.add('q', [exampleJob(0)]);
      expect(await broker.take('q', 'w1', SOON_MS)).toEqual(exampleJob(0));
      await advance(2 * lockMs);
      const same = broker.take('q', 'w1', 200);
      await advance(300);
      expect(await same).toBeNull();
    });

    test('takes jobs of every process that adds some', async ({ broker, other }) => {
      const { broker: second } = await other();
      await Promise.all([broker.add('q', [exampleJob(0)]), second.add('q', [exampleJob(0), exampleJob(2)])]);
      const firsts = [await second.take('q', 'w2', SOON_MS), await broker.take('q', 'w1', SOON_MS)];
      expect(firsts.map((job) => job?.first).sort()).toEqual([0, 2]);
      expect(await second.counts('q')).toEqual({ waiting: 0, active: 2 });
    });

    test('ends waiting takes when it closes', async ({ broker, advance }) => {
      const take = broker.take('q', 'w1', 60_000);
      await advance(0);
      await broker.close();
      await expect(take.catch(() => null)).resolves.toBeNull();
      await expect(broker.take('q', 'w1', 1)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    });
  });
}
