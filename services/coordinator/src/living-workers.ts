import type { Store, WorkerRecord } from '@cropstream/broker';
import type { Clock } from '@cropstream/runtime';

/** A worker that left is known as living for no longer than this: a sixth of the lease of one that died. */
const LOOK_MS = 250;

/** The workers that live, asked for a few times a second however often the windows are looked at. */
export class LivingWorkers {
  #workers: ReadonlyMap<string, WorkerRecord> = new Map();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  /** Those of the last look, if it was made just now. */
  async all(): Promise<ReadonlyMap<string, WorkerRecord>> {
    if (this.clock.now() - this.#lookedAt >= LOOK_MS) await this.#look();
    return this.#workers;
  }

  /**
   * By id, those that live; of the given ids, whoever is not among them is gone. To be asked after the records that name
   * them were read: a worker that took a chunk has beaten before it did.
   */
  async including(ids: Iterable<string>): Promise<ReadonlyMap<string, WorkerRecord>> {
    await this.all();
    for (const id of ids) {
      if (this.#workers.has(id)) continue;
      await this.#look();
      break;
    }
    return this.#workers;
  }

  /** The worker of that id, as it was last known while the store is away; null: it is gone. */
  async find(id: string): Promise<WorkerRecord | null> {
    try {
      await this.including([id]);
    } catch (error) {
      if (!this.#workers.has(id)) throw error;
    }
    return this.#workers.get(id) ?? null;
  }

  async #look(): Promise<void> {
    const at = this.clock.now();
    this.#workers = new Map((await this.store.workers()).map((worker) => [worker.id, worker]));
    this.#lookedAt = at;
  }
}
