import {
  type ChunkJob,
  chunkName,
  type MemoryBroker,
  type MemoryStore,
  NOTHING_MADE,
  WAKE_COORDINATORS,
} from '@cropstream/broker';
import type { CropstreamError } from '@cropstream/errors';
import type { AttachResponse, ChunkReady, ChunkWaiting, Nack_Reason } from '@cropstream/protocol';
import type { VirtualClock } from '@cropstream/runtime/testing';
import type { AttachChannel } from '../src/attachment.js';
import type { Connection, CoordinatorObserver } from '../src/coordinator.js';

export const FINGERPRINT = 'f'.repeat(64);
const MIB = 1 << 20;
export const SAMPLES = 40;

export const silent: CoordinatorObserver = {
  scheduled() {},
  announced() {},
  ready() {},
  workerDied() {},
  hedged() {},
  hedgeWon() {},
  removed() {},
  attached() {},
  detached() {},
  nacked() {},
  progressed() {},
  passed() {},
  queued() {},
  passFailed(error) {
    throw error;
  },
  fleet() {},
};

/** A trainer's end of a stream: what it was told, and how it ended. */
export class Trainer implements AttachChannel {
  readonly received: AttachResponse[] = [];
  ended: { error: CropstreamError | undefined } | null = null;
  connection!: Connection;

  send(message: AttachResponse): void {
    this.received.push(message);
  }

  end(error?: CropstreamError): void {
    this.ended = { error };
  }

  get ready(): ChunkReady[] {
    return this.received.flatMap(({ message }) => (message?.$case === 'ready' ? [message.value] : []));
  }

  get waiting(): ChunkWaiting[] {
    return this.received.flatMap(({ message }) => (message?.$case === 'waiting' ? [message.value] : []));
  }

  progress(nextStep: number, creditChunks: number, held: ChunkReady[] = []): void {
    const value = progressOf(nextStep, creditChunks, held);
    this.connection.receive({ message: { $case: 'progress', value } });
  }

  nack(ready: ChunkReady, reason: Nack_Reason): void {
    const { chunk, attempt, location } = ready;
    const value = { chunk, attempt, workerId: location?.workerId ?? '', reason };
    this.connection.receive({ message: { $case: 'nack', value } });
  }
}

export const progressOf = (nextStep: number, creditChunks: number, held: ChunkReady[] = []) => ({
  nextStep: BigInt(nextStep),
  creditChunks,
  creditBytes: BigInt(1024 * MIB),
  held: held.flatMap(({ chunk }) => (chunk ? [chunk] : [])),
  waitedSeconds: 0,
  elapsedSeconds: 0,
});

/** A worker that only keeps records: it makes nothing. */
export class Worker {
  alive = true;

  constructor(
    readonly id: string,
    readonly store: MemoryStore,
    readonly broker: MemoryBroker,
    readonly clock: VirtualClock,
  ) {
    void this.#beat();
  }

  async #beat(): Promise<void> {
    if (!this.alive) return;
    const record = {
      tlsName: '',
      fingerprint: FINGERPRINT,
      protocolVersion: 1,
      slots: 2,
      outboxBytes: 0,
      outboxLimit: MIB,
      version: '0.1.0',
      process: this.id,
      made: NOTHING_MADE,
    };
    await this.store.beat({ id: this.id, address: `${this.id}:1`, ...record }, 1500);
    this.clock.timer(500, () => void this.#beat());
  }

  async take(): Promise<ChunkJob | null> {
    // An empty queue makes a taker wait for the clock, which stands still here.
    if ((await this.broker.counts(FINGERPRINT)).waiting === 0) return null;
    return this.broker.take(FINGERPRINT, this.id, 0);
  }

  async begin(job: ChunkJob): Promise<boolean> {
    return this.store.begin(job.runKey, chunkName(job), job.attempt, this.id);
  }

  async publish(job: ChunkJob): Promise<boolean> {
    const chunk = chunkName(job);
    const place = { workerId: this.id, address: `${this.id}:1`, tlsName: '' };
    const won = await this.store.publish(job.runKey, { chunk, attempt: job.attempt, ...place, bytes: 10 });
    await this.broker.finish(FINGERPRINT, job.id, this.id);
    await this.store.wake(WAKE_COORDINATORS);
    return won;
  }

  /** Makes everything that is in the queue; returns the jobs in the order taken. */
  async makeAll(): Promise<ChunkJob[]> {
    const made: ChunkJob[] = [];
    for (let job = await this.take(); job; job = await this.take()) {
      if (await this.begin(job)) await this.publish(job);
      made.push(job);
    }
    return made;
  }
}
