import { type Broker, type ChunkJob, chunkName, type ReadyRecord, type Store } from '@cropstream/broker';
import { type CropstreamError, failure, toFailure } from '@cropstream/errors';
import type { Clock } from '@cropstream/runtime';
import type { MadeChunk } from '../chunk/chunk-maker.js';
import type { WorkerLimits } from './config.js';
import type { Emit, Log, WorkerEvent } from './events.js';
import type { Insist } from './insist.js';
import type { HeldChunk, Outbox, Reservation } from './outbox.js';
import type { RunBook, RunMaker } from './run-book.js';
import type { Wants } from './wants.js';

/** The topic that coordinators listen to. */
export const COORDINATORS = 'coordinators';

export interface WorkerIdentity {
  readonly id: string;
  readonly address: string;
  readonly tlsName: string;
  readonly fingerprint: string;
  /** Compute threads. */
  readonly slots: number;
}

export interface JobRunnerOptions {
  readonly self: WorkerIdentity;
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: Emit;
  readonly limits: WorkerLimits;
  readonly maxChunkBytes: number;
  readonly outbox: Outbox;
  readonly runs: RunBook;
  readonly wants: Wants;
  /** Rejects once `closing` is aborted. */
  readonly insist: Insist;
  readonly closing: AbortSignal;
  /** Resolves once the store knows that this worker lives. */
  readonly beHeard: () => Promise<void>;
}

type SkipReason = Extract<WorkerEvent, { kind: 'skipped' }>['reason'];

interface Making {
  readonly job: ChunkJob;
  readonly stop: AbortController;
}

/**
 * Brings one job from taken to done: made and published, skipped, or failed. Every path ends the job in the
 * broker; what is recorded of the chunk is only ever true later, so each call to the store is tried again.
 */
export class JobRunner {
  readonly #making = new Set<Making>();

  constructor(private readonly options: JobRunnerOptions) {}

  get active(): number {
    return this.#making.size;
  }

  /** Jobs being made now. */
  jobs(): readonly ChunkJob[] {
    return [...this.#making].map(({ job }) => job);
  }

  /** Stops making a chunk, because nobody wants it any more. */
  stop(jobId: string): void {
    for (const { job, stop } of this.#making) if (job.id === jobId) stop.abort();
  }

  /** Stops making everything. */
  stopAll(): void {
    for (const { stop } of this.#making) stop.abort();
  }

  /** Never rejects. Uses the reservation up, or gives it back. */
  async run(job: ChunkJob, reservation: Reservation): Promise<void> {
    const { broker, self, log } = this.options;
    const making = { job, stop: new AbortController() };
    this.#making.add(making);
    try {
      await this.#make(job, reservation, making.stop.signal);
    } catch (error) {
      if (!this.options.closing.aborted)
        log.error({ err: error, job: job.id }, 'a job ended without a record');
    } finally {
      reservation.release();
      this.#making.delete(making);
      await this.options.insist(() => broker.finish(self.fingerprint, job.id, self.id)).catch(() => {});
    }
  }

  /** Gives a job back unmade. */
  async abandon(job: ChunkJob): Promise<void> {
    const { store, broker, self } = this.options;
    await this.options.insist(() => store.release(job.runDigest, chunkName(job), job.attempt, 'abandoned'));
    await this.options.insist(() => broker.finish(self.fingerprint, job.id, self.id));
    await this.#wake();
  }

  async #make(job: ChunkJob, reservation: Reservation, signal: AbortSignal): Promise<void> {
    const { runs } = this.options;
    try {
      const done = await runs.use(job.runDigest, async (maker) => {
        await this.#makeWith(maker, job, reservation, signal);
        return true;
      });
      if (done === null) await this.#skip(job, 'unknown-run');
    } catch (error) {
      if (this.options.closing.aborted) return;
      if (signal.aborted) await this.#skip(job, 'unwanted');
      else await this.#failed(job, toFailure(error));
    }
  }

  async #makeWith(
    maker: RunMaker,
    job: ChunkJob,
    reservation: Reservation,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, self, outbox, maxChunkBytes, clock, emit } = this.options;
    const { runDigest, attempt } = job;
    const chunk = chunkName(job);
    if (!(await this.#isWanted(job))) return this.#skip(job, 'unwanted');
    const kept = outbox.get(runDigest, chunk) !== null;
    const bytes = Math.min(maker.bytesFor(job.indices.length), maxChunkBytes);
    if (!kept && !outbox.admits(runDigest, bytes)) return this.#skip(job, 'share');
    reservation.assign(runDigest, kept ? 0 : bytes);
    const begun = await this.options.insist(() => store.begin(runDigest, chunk, attempt, self.id));
    if (!begun) {
      emit({ kind: 'skipped', reason: 'superseded' });
      return;
    }
    // Its record was lost, the chunk was not.
    let held = outbox.renew(runDigest, chunk, attempt);
    if (held === null) {
      const start = clock.now();
      const made = await maker.make({ epoch: job.epoch, indices: job.indices }, signal);
      held = { runDigest, chunk, attempt, made };
      reservation.fill(held);
      emit(madeEvent(made, (clock.now() - start) / 1000));
      this.#logSubstitutions(job, made);
    }
    await this.#publish(held);
  }

  /** The last look may be older than the job, or than the run's opening here. */
  async #isWanted(job: ChunkJob): Promise<boolean> {
    const { wants, insist } = this.options;
    const chunk = chunkName(job);
    if (wants.has(job.runDigest, chunk) !== true) await insist(() => wants.refresh());
    return wants.has(job.runDigest, chunk) !== false;
  }

  /** In the outbox before it is announced, so that the first fetch finds it. */
  async #publish(held: HeldChunk): Promise<void> {
    const { store, self, outbox, emit } = this.options;
    const { runDigest, chunk, attempt } = held;
    const record: ReadyRecord = {
      chunk,
      attempt,
      workerId: self.id,
      address: self.address,
      tlsName: self.tlsName,
      bytes: held.made.payloadBytes,
    };
    let tries = 0;
    const won = await this.options.insist(async () => {
      tries++;
      await this.options.beHeard();
      return store.publish(runDigest, record);
    });
    // The answer to an earlier try may have been lost on its way.
    if (!won && !(tries > 1 && (await this.#isOurs(held)))) {
      if (outbox.drop(runDigest, chunk, attempt)) emit({ kind: 'dropped', reason: 'lost' });
      return;
    }
    await this.#wake();
  }

  async #isOurs({ runDigest, chunk, attempt }: HeldChunk): Promise<boolean> {
    const [state] = await this.options.insist(() => this.options.store.chunkStates(runDigest, [chunk]));
    return (
      state?.state === 'ready' &&
      state.ready.workerId === this.options.self.id &&
      state.ready.attempt === attempt
    );
  }

  async #skip(job: ChunkJob, reason: SkipReason): Promise<void> {
    const { store, emit } = this.options;
    emit({ kind: 'skipped', reason });
    await this.options.insist(() => store.release(job.runDigest, chunkName(job), job.attempt, 'abandoned'));
  }

  async #failed(job: ChunkJob, error: CropstreamError): Promise<void> {
    const { store, emit, log, limits } = this.options;
    const chunk = chunkName(job);
    emit({ kind: 'failed', code: error.code });
    log.warn({ err: error, run: job.runDigest, chunk, attempt: job.attempt }, 'making a chunk failed');
    const { failures } = await this.options.insist(() =>
      store.release(job.runDigest, chunk, job.attempt, 'failure'),
    );
    if (failures >= limits.maxAttempts) {
      const final = failure(
        'CHUNK_FAILED',
        { chunk, attempts: failures, reason: error.message },
        { cause: error },
      );
      await this.options.insist(() => store.failChunk(job.runDigest, chunk, JSON.stringify(final.toWire())));
    }
    await this.#wake();
  }

  #logSubstitutions(job: ChunkJob, made: MadeChunk): void {
    for (const substitution of made.substitutions) {
      this.options.log.warn(
        { run: job.runDigest, epoch: job.epoch, ...substitution },
        'a bad sample was substituted',
      );
    }
  }

  /** A hint: coordinators look every second in any case. */
  async #wake(): Promise<void> {
    await this.options.store.wake(COORDINATORS).catch(() => {});
  }
}

function madeEvent(made: MadeChunk, seconds: number): WorkerEvent {
  return {
    kind: 'made',
    samples: made.samples,
    bytes: made.payloadBytes,
    seconds,
    stages: made.timings,
    substituted: made.substitutions.map(({ code }) => code),
  };
}
