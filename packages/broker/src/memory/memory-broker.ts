import { failure } from '@cropstream/errors';
import type { Clock, Timer } from '@cropstream/runtime';
import { type Broker, LOOK_AHEAD, MAX_PASSED, type QueueCounts } from '../broker.js';
import type { ChunkJob } from '../records.js';

/** Far above what shares and windows let wait; beyond it something adds without limit. */
const MAX_JOBS = 1 << 16;

interface Active {
  readonly job: ChunkJob;
  readonly worker: string;
  readonly lockedUntil: number;
  /** Every worker that this job was handed to: none of them gets it again while others may want it. */
  readonly takers: ReadonlySet<string>;
}

interface Waiting {
  readonly job: ChunkJob;
  readonly takers: ReadonlySet<string>;
  /** From then on its former takers may have it too: there may be no others. */
  readonly forAllFrom: number;
  /** How often another went ahead of it that its taker preferred. */
  passed: number;
}

interface Taker {
  readonly worker: string;
  readonly prefers: ReadonlySet<number> | undefined;
  readonly give: (job: ChunkJob | null) => void;
}

/** One queue. Maps and sets keep the order of insertion, which is the queue's. */
class Queue {
  readonly urgent = new Map<string, Waiting>();
  readonly waiting = new Map<string, Waiting>();
  readonly active = new Map<string, Active>();
  readonly takers = new Set<Taker>();

  get size(): number {
    return this.urgent.size + this.waiting.size + this.active.size;
  }
}

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  /**
   * A job that was not finished so long after it was taken is handed out again, to another worker. Only for takers
   * that are gone without a word: the store's records say sooner that a worker died.
   * @default 30_000
   */
  readonly lockMs?: number;
}

/** The broker of a single process: nothing outlives it. */
export class MemoryBroker implements Broker {
  readonly #clock: Clock;
  readonly #lockMs: number;
  readonly #queues = new Map<string, Queue>();
  #closed = false;

  constructor(options: MemoryBrokerOptions) {
    this.#clock = options.clock;
    this.#lockMs = options.lockMs ?? 30_000;
  }

  async add(queueName: string, jobs: readonly ChunkJob[]): Promise<void> {
    this.#open();
    const queue = this.#queue(queueName);
    this.#requeueStalled(queue);
    for (const job of jobs) {
      if (queue.waiting.has(job.id) || queue.urgent.has(job.id) || queue.active.has(job.id)) continue;
      if (queue.size >= MAX_JOBS) {
        throw failure('LIMIT_EXCEEDED', {
          field: 'jobs in the queue',
          value: queue.size + 1,
          limit: MAX_JOBS,
        });
      }
      (job.urgent ? queue.urgent : queue.waiting).set(job.id, {
        job,
        takers: new Set(),
        forAllFrom: 0,
        passed: 0,
      });
    }
    this.#serve(queueName, queue);
  }

  async take(
    queueName: string,
    worker: string,
    waitMs: number,
    prefers?: ReadonlySet<number>,
  ): Promise<ChunkJob | null> {
    this.#open();
    const queue = this.#queue(queueName);
    this.#requeueStalled(queue);
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const taker: Taker = {
        worker,
        prefers,
        give: (job) => {
          timer?.cancel();
          queue.takers.delete(taker);
          resolve(job);
        },
      };
      queue.takers.add(taker);
      this.#serve(queueName, queue);
      if (!queue.takers.has(taker)) return;
      timer = this.#clock.timer(waitMs, () => {
        // A lock may have run out meanwhile: a stalled job needs no event to be had.
        this.#requeueStalled(queue);
        this.#serve(queueName, queue);
        if (queue.takers.has(taker)) taker.give(null);
        this.#forgetIfEmpty(queueName, queue);
      });
    });
  }

  async finish(queueName: string, jobId: string, worker: string): Promise<void> {
    const queue = this.#queues.get(queueName);
    if (queue?.active.get(jobId)?.worker !== worker) return;
    queue.active.delete(jobId);
    this.#forgetIfEmpty(queueName, queue);
  }

  async remove(queueName: string, jobIds: readonly string[]): Promise<void> {
    const queue = this.#queues.get(queueName);
    if (queue === undefined) return;
    for (const id of jobIds) {
      queue.waiting.delete(id);
      queue.urgent.delete(id);
    }
    this.#forgetIfEmpty(queueName, queue);
  }

  async counts(queueName: string): Promise<QueueCounts> {
    const queue = this.#queues.get(queueName);
    if (queue === undefined) return { waiting: 0, active: 0 };
    this.#requeueStalled(queue);
    return { waiting: queue.waiting.size + queue.urgent.size, active: queue.active.size };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const queue of this.#queues.values()) for (const taker of [...queue.takers]) taker.give(null);
    this.#queues.clear();
  }

  #open(): void {
    if (this.#closed) throw failure('SHUTTING_DOWN', {});
  }

  #queue(name: string): Queue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new Queue();
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #forgetIfEmpty(name: string, queue: Queue): void {
    if (queue.size === 0 && queue.takers.size === 0) this.#queues.delete(name);
  }

  /** Active jobs are in the order they were locked, so the stalled ones come first. */
  #requeueStalled(queue: Queue): void {
    const now = this.#clock.now();
    for (const [id, { job, lockedUntil, takers }] of queue.active) {
      if (lockedUntil > now) break;
      queue.active.delete(id);
      queue.urgent.set(id, { job, takers, forAllFrom: now + this.#lockMs, passed: 0 });
    }
  }

  /** Hands waiting jobs to waiting takers, both in order. */
  #serve(name: string, queue: Queue): void {
    for (const taker of [...queue.takers]) {
      const next = this.#nextFor(queue, taker);
      if (next === undefined) continue;
      const { job } = next;
      queue.urgent.delete(job.id);
      queue.waiting.delete(job.id);
      queue.active.set(job.id, {
        job,
        worker: taker.worker,
        lockedUntil: this.#clock.now() + this.#lockMs,
        takers: new Set(next.takers).add(taker.worker),
      });
      taker.give(job);
    }
    this.#forgetIfEmpty(name, queue);
  }

  #nextFor(queue: Queue, { worker, prefers }: Taker): Waiting | undefined {
    const now = this.#clock.now();
    const mayHave = ({ takers, forAllFrom }: Waiting) => !takers.has(worker) || forAllFrom <= now;
    for (const waiting of queue.urgent.values()) if (mayHave(waiting)) return waiting;
    let next: Waiting | undefined;
    let looked = 0;
    for (const waiting of queue.waiting.values()) {
      if (!mayHave(waiting)) continue;
      next ??= waiting;
      if (prefers === undefined || next.passed >= MAX_PASSED || ++looked > LOOK_AHEAD) break;
      if (waiting.job.affinity === undefined || !prefers.has(waiting.job.affinity)) continue;
      if (waiting !== next) next.passed += 1;
      return waiting;
    }
    return next;
  }
}
