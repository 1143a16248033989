import { failure } from '@cropstream/errors';
import type { Broker, QueueCounts } from '../broker.js';
import type { ChunkJob } from '../records.js';
import { BullmqQueue } from './bullmq-queue.js';
import { keysOf } from './keys.js';
import { RedisLink, type RedisOptions } from './link.js';

export interface BullmqBrokerOptions extends RedisOptions {
  /**
   * A job whose taker has not been heard for so long goes to another; a living one renews its locks three times in it.
   *
   * @default 3_000
   */
  readonly lockMs?: number;
}

/**
 * The broker of a fleet: one BullMQ queue for each name, jobs fetched by hand. While Redis is away each call throws
 * STORE_UNAVAILABLE; jobs that were taken may be finished when it is back.
 */
export class BullmqBroker implements Broker {
  readonly #link: RedisLink;
  readonly #lockMs: number;
  readonly #queues = new Map<string, BullmqQueue>();
  #closed = false;

  private constructor(link: RedisLink, lockMs: number) {
    this.#link = link;
    this.#lockMs = lockMs;
  }

  /** @throws STORE_UNAVAILABLE where Redis does not answer within `connectMs` */
  static async open(options: BullmqBrokerOptions): Promise<BullmqBroker> {
    return new BullmqBroker(await RedisLink.open(options), options.lockMs ?? 3_000);
  }

  async add(queue: string, jobs: readonly ChunkJob[]): Promise<void> {
    this.#requireOpen();
    await this.#queue(queue).add(jobs);
  }

  async take(
    queue: string,
    worker: string,
    waitMs: number,
    prefers?: ReadonlySet<number>,
  ): Promise<ChunkJob | null> {
    this.#requireOpen();
    return this.#queue(queue).take(worker, waitMs, prefers);
  }

  async finish(queue: string, jobId: string, worker: string): Promise<void> {
    this.#requireOpen();
    await this.#queue(queue).finish(jobId, worker);
  }

  async remove(queue: string, jobIds: readonly string[]): Promise<void> {
    this.#requireOpen();
    await this.#queue(queue).remove(jobIds);
  }

  async counts(queue: string): Promise<QueueCounts> {
    this.#requireOpen();
    return this.#queue(queue).counts();
  }

  /** Never waits for Redis. Jobs that were taken and not finished go to others once their locks run out. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const queue of this.#queues.values()) queue.close();
    this.#link.close();
  }

  #requireOpen(): void {
    if (this.#closed) throw failure('SHUTTING_DOWN', {});
  }

  #queue(name: string): BullmqQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new BullmqQueue(this.#link, keysOf(this.#link.prefix).queue(name), this.#lockMs);
      this.#queues.set(name, queue);
    }
    return queue;
  }
}
