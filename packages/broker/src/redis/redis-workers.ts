import type { Verdict, WorkerRecord } from '../records.js';
import type { Keys } from './keys.js';
import type { RedisLink } from './link.js';
import { BEAT, LEAVE, WORKERS } from './lua/workers.js';
import { readWorker } from './read-records.js';

/** A worker that left in order is known as living for no longer than this. */
const LOOK_MS = 250;

/** Who makes chunks, each known while it beats. */
export class RedisWorkers {
  /** When each worker's lease ends at the soonest, in milliseconds of this process' monotonic clock. */
  #leases: ReadonlyMap<string, number> = new Map();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
  ) {}

  async beat(worker: WorkerRecord, leaseMs: number): Promise<void> {
    await this.link.run(BEAT, this.keys.workers, [worker.id, JSON.stringify(worker), Math.ceil(leaseMs)]);
  }

  async all(): Promise<readonly WorkerRecord[]> {
    const sent = performance.now();
    const answer = (await this.link.run(WORKERS, this.keys.workers, [])) as string[];
    const leases = new Map<string, number>();
    const workers: WorkerRecord[] = [];
    for (let i = 0; i < answer.length; i += 2) {
      const worker = readWorker(answer[i + 1]!);
      // Measured by Redis after it was asked: the lease ends no sooner than this, by whatever clock.
      leases.set(worker.id, sent + Number(answer[i]));
      workers.push(worker);
    }
    this.#leases = leases;
    this.#lookedAt = sent;
    return workers;
  }

  /**
   * Which of these are gone. To be asked of records that were read before: whoever wrote one had beaten before that.
   * Asks Redis only where it does not know yet that all of them live.
   */
  async gone(ids: Iterable<string>): Promise<ReadonlySet<string>> {
    const asked = new Set(ids);
    const now = performance.now();
    const livesStill = (id: string) => (this.#leases.get(id) ?? 0) > now;
    if (now - this.#lookedAt < LOOK_MS && [...asked].every(livesStill)) return new Set();
    if (asked.size === 0) return asked;
    for (const { id } of await this.all()) asked.delete(id);
    return asked;
  }

  async leave(workerId: string): Promise<void> {
    await this.link.run(LEAVE, this.keys.workers, [workerId]);
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  async judge(workerId: string, verdict: Verdict, keepMs: number): Promise<void> {
    const key = this.keys.verdict(workerId);
    await this.link.call((client) => client.set(key, JSON.stringify(verdict), 'PX', Math.ceil(keepMs)));
  }

  async verdict(workerId: string): Promise<Verdict | null> {
    const json = await this.link.call((client) => client.get(this.keys.verdict(workerId)));
    return json === null ? null : (JSON.parse(json) as Verdict);
  }
}
