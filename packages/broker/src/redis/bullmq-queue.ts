import { randomUUID } from 'node:crypto';
import { createRedisBackend, type Job, Queue, Worker } from 'bullmq';
import { LOOK_AHEAD, MAX_PASSED, type QueueCounts } from '../broker.js';
import type { ChunkJob } from '../records.js';
import { type RedisClient, type RedisLink, script } from './link.js';

/** BullMQ's own name of each queue; which queue it is stands in the prefix, where Redis Cluster hashes it. */
const NAME = 'chunks';
/** BullMQ takes jobs without a priority first, and those of one priority in order. */
const PRIORITY_OF_OTHERS = 1;
/** The longest wait in one command; a restarted Redis is noticed by then. */
const BLOCK_MS = 1_000;
/** Redis ends a wait in time or not at all. */
const LATE_MS = 1_000;
/** A job is never failed by BullMQ for stalling: how often a chunk may kill its worker is for the coordinator to say. */
const MAX_STALLED = 1_000_000;
/** Jobs that were finished while nobody could be told. They come again at most once each, within seconds. */
const MAX_LOST = 10_000;
/** Events that BullMQ keeps for listeners, of which there are none. */
const MAX_EVENTS = 100;
/** What BullMQ answers where a job is not this taker's any more: it is gone, has no lock, or has another's. */
const NOT_HELD = new Set([-1, -2, -3, -6]);

/**
 * Puts the first job that a taker prefers ahead of the others, of those that come next. ARGV: what begins a job's key, the
 * affinities with a space before and after each.
 */
const PREFER = script(
  ['prioritized'],
  `
local ids = redis.call('ZRANGE', prioritized, 0, ${LOOK_AHEAD - 1})
for at, id in ipairs(ids) do
  local data = redis.call('HGET', ARGV[1] .. id, 'data')
  local affinity = data and string.match(data, '"affinity":(%d+)')
  if affinity and string.find(ARGV[2], ' ' .. affinity .. ' ', 1, true) then
    if at == 1 then return end
    if redis.call('HINCRBY', ARGV[1] .. ids[1], 'passed', 1) > ${MAX_PASSED} then return end
    local first = redis.call('ZSCORE', prioritized, ids[1])
    redis.call('ZADD', prioritized, 'XX', first - 0.5, id)
    return
  end
end
`,
);

interface Taker {
  readonly worker: string;
  readonly prefers: ReadonlySet<number> | undefined;
  /** Milliseconds of the process' monotonic clock. */
  readonly deadline: number;
  settle(outcome: ChunkJob | null | Error): void;
}

interface Held {
  readonly worker: string;
  readonly token: string;
  readonly job: Job<ChunkJob>;
}

/**
 * One queue, its takers in this process in line before a single fetch. BullMQ's own waiting is not used: its end cannot
 * be set for each take, and after an outage it goes on for ten seconds. The same wait, for the marker that BullMQ sets
 * where there is a job, is made here.
 */
export class BullmqQueue {
  readonly #link: RedisLink;
  readonly #lockMs: number;
  readonly #queue: Queue<ChunkJob>;
  readonly #worker: Worker<ChunkJob>;
  readonly #marker: string;
  readonly #takers = new Set<Taker>();
  /** Taken by workers of this process and not finished, by job id. */
  readonly #held = new Map<string, Held>();
  /** Finished by workers of this process after their lock had run out. */
  readonly #lost = new Set<string>();
  #blocking: RedisClient | null = null;
  #serving = false;
  /** Whether the last job had one. */
  #hasAffinities = false;
  #renewal: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(link: RedisLink, prefix: string, lockMs: number) {
    this.#link = link;
    this.#lockMs = lockMs;
    const common = { connection: link.client, prefix, skipVersionCheck: true };
    this.#queue = new Queue(NAME, { ...common, streams: { events: { maxLen: MAX_EVENTS } } });
    this.#worker = new Worker(
      NAME,
      null,
      {
        ...common,
        autorun: false,
        lockDuration: lockMs,
        stalledInterval: Math.ceil(lockMs / 3),
        maxStalledCount: MAX_STALLED,
      },
      (name, options) => createRedisBackend(name, options),
    );
    // The link tells of outages; what fails is told to whoever called.
    this.#queue.on('error', () => undefined);
    this.#worker.on('error', () => undefined);
    this.#marker = this.#queue.toKey('marker');
  }

  async add(jobs: readonly ChunkJob[]): Promise<void> {
    const bulk = jobs.map((job) => ({
      name: NAME,
      data: job,
      opts: {
        jobId: job.id,
        removeOnComplete: true,
        removeOnFail: true,
        ...(job.urgent ? {} : { priority: PRIORITY_OF_OTHERS }),
      },
    }));
    await this.#call(() => this.#queue.addBulk(bulk));
  }

  take(worker: string, waitMs: number, prefers?: ReadonlySet<number>): Promise<ChunkJob | null> {
    this.#keepLocks();
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => taker.settle(this.#link.unavailable(new Error('it did not answer in time'))),
        waitMs + LATE_MS,
      );
      const taker: Taker = {
        worker,
        prefers,
        deadline: performance.now() + waitMs,
        settle: (outcome) => {
          clearTimeout(late);
          this.#takers.delete(taker);
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#takers.add(taker);
      if (!this.#serving) void this.#serve();
    });
  }

  async finish(jobId: string, worker: string): Promise<void> {
    const held = this.#held.get(jobId);
    if (held?.worker !== worker) return;
    const wasHeld = await this.#complete(held.job, held.token);
    // Taken again meanwhile under another token: that one is finished next.
    if (this.#held.get(jobId) !== held) return this.finish(jobId, worker);
    this.#held.delete(jobId);
    if (wasHeld) return;
    this.#lost.add(jobId);
    if (this.#lost.size > MAX_LOST) for (const oldest of this.#lost) return void this.#lost.delete(oldest);
  }

  async remove(jobIds: readonly string[]): Promise<void> {
    await this.#call(() =>
      Promise.all(jobIds.map((id) => this.#queue.remove(id, { removeChildren: false }))),
    );
  }

  async counts(): Promise<QueueCounts> {
    const counts = await this.#call(() => this.#queue.getJobCounts('wait', 'prioritized', 'active'));
    const { wait = 0, prioritized = 0, active = 0 } = counts;
    return { waiting: wait + prioritized, active };
  }

  /** Waits for nothing: BullMQ's own closing never ends while Redis is away. */
  close(): void {
    this.#closed = true;
    if (this.#renewal !== null) clearInterval(this.#renewal);
    for (const taker of [...this.#takers]) taker.settle(null);
    this.#worker.close(true).catch(() => undefined);
    this.#queue.close().catch(() => undefined);
  }

  /** Fetches for the takers in line until there are none. */
  async #serve(): Promise<void> {
    this.#serving = true;
    while (this.#takers.size > 0 && !this.#closed) {
      try {
        const token = randomUUID();
        await this.#prefer();
        const job: Job<ChunkJob> | undefined = await this.#call(() =>
          this.#worker.getNextJob(token, { block: false }),
        );
        if (job) await this.#handOut(job, token);
        else await this.#untilMarked();
      } catch (error) {
        for (const taker of [...this.#takers]) taker.settle(this.#link.failureOf(error));
      }
    }
    this.#serving = false;
  }

  /** Only while jobs have affinities: it is a command more for each. */
  async #prefer(): Promise<void> {
    const [taker] = this.#takers;
    if (!this.#hasAffinities || !taker?.prefers || taker.prefers.size === 0) return;
    const preferred = ` ${[...taker.prefers].join(' ')} `;
    await this.#link.run(PREFER, (key) => this.#queue.toKey(key), [this.#queue.toKey(''), preferred]);
  }

  async #handOut(job: Job<ChunkJob>, token: string): Promise<void> {
    const id = job.id ?? '';
    const held = this.#held.get(id);
    if (held) {
      // Its lock ran out while Redis or this process was away; its taker is there and makes it.
      this.#held.set(id, { worker: held.worker, token, job });
      return;
    }
    if (this.#lost.delete(id)) {
      await this.#complete(job, token);
      return;
    }
    this.#hasAffinities = job.data.affinity !== undefined;
    for (const taker of this.#takers) {
      this.#held.set(id, { worker: taker.worker, token, job });
      taker.settle(job.data);
      return;
    }
    await job.moveToWait(token);
  }

  /** Waits for a job to be had, as long as the first taker in line to give up. Ends those whose time is up. */
  async #untilMarked(): Promise<void> {
    const deadline = Math.min(...[...this.#takers].map((taker) => taker.deadline));
    const waitMs = Math.min(deadline - performance.now(), BLOCK_MS);
    // Redis takes 0 for ever.
    if (waitMs >= 5) {
      this.#blocking ??= this.#link.blocking();
      await this.#blocking.bzpopmin(this.#marker, waitMs / 1_000);
    }
    const now = performance.now() + 5;
    for (const taker of [...this.#takers]) if (taker.deadline <= now) taker.settle(null);
  }

  /** Completes the job, which removes it; false where it is not held under that token any more. */
  async #complete(job: Job<ChunkJob>, token: string): Promise<boolean> {
    try {
      await this.#call(() => job.moveToCompleted(null, token, false));
      return true;
    } catch (error) {
      const { cause = error } = error as Error;
      if (NOT_HELD.has((cause as { code?: number }).code ?? 0)) return false;
      throw error;
    }
  }

  /** From the first take on: renews the locks of what is held, and looks for jobs whose takers are gone. */
  #keepLocks(): void {
    if (this.#renewal !== null) return;
    this.#renewal = setInterval(() => {
      if (this.#held.size === 0 || !this.#link.isReady) return;
      const tokens = [...this.#held.values()].map(({ token }) => token);
      // What cannot be renewed comes back by a fetch, and is known then.
      this.#worker.extendJobLocks([...this.#held.keys()], tokens, this.#lockMs).catch(() => undefined);
    }, this.#lockMs / 3);
    this.#renewal.unref();
    this.#worker.startStalledCheckTimer().catch(() => undefined);
  }

  /** BullMQ would wait for a connection that was never up yet. */
  #call<T>(call: () => Promise<T>): Promise<T> {
    return this.#link.call(() => {
      if (!this.#link.isReady) throw new Error('the connection is down');
      return call();
    });
  }
}
