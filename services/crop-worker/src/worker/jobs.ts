import { setMaxListeners } from 'node:events';
import {
  type Broker,
  type ChunkJob,
  chunkName,
  type ReadyRecord,
  type Store,
  WAKE_COORDINATORS,
} from '@cropstream/broker';
import type { MadeChunk } from '@cropstream/chunks';
import { type CropstreamError, type ErrorCode, failure, toFailure } from '@cropstream/errors';
import { type Clock, type Span, sleep, type Tracer } from '@cropstream/runtime';
import { globalStep } from '@cropstream/schedule';
import type { WorkerLimits } from './config.js';
import type { Emit, Log, SkipReason, WorkerEvent } from './events.js';
import type { Insist } from './insist.js';
import type { HeldChunk, Outbox, Reservation } from './outbox.js';
import type { RunBook, RunMaker } from './run-book.js';
import type { Tally } from './tally.js';
import type { Wants } from './wants.js';

/** How long a job is held back that has no room for now. */
const HOLD_BACK_MS = 1_000;
/** How long a hedge is held back that another worker is to make: it comes round until one takes it. */
const PASS_ON_MS = 100;

export interface WorkerIdentity {
  readonly id: string;
  readonly address: string;
  readonly tlsName: string;
  readonly fingerprint: string;
  /** Compute threads. */
  readonly slots: number;
  /** Fresh for each process: the cells of one share it. */
  readonly process: string;
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
  readonly tally: Tally;
  /** Rejects once `closing` is aborted. */
  readonly insist: Insist;
  readonly closing: AbortSignal;
  /** Resolves once the store knows that this worker lives. */
  readonly beHeard: () => Promise<void>;
  readonly tracer?: Tracer | null;
}

/** Characters of a path or a reason in a report: all that are kept of a run stay within some megabytes. */
const MAX_TEXT = 512;

/** How a job ended here; `not-for-us`: it is to be made by another worker. */
type Ended = 'done' | 'no-room' | 'not-for-us';

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
  readonly #heldBack = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(private readonly options: JobRunnerOptions) {
    // Each job held back listens.
    setMaxListeners(0, this.#stopping.signal);
  }

  get active(): number {
    return this.#making.size;
  }

  /** Jobs being made now. */
  jobs(): readonly ChunkJob[] {
    return [...this.#making].map(({ job }) => job);
  }

  isMaking(jobId: string): boolean {
    return this.jobs().some(({ id }) => id === jobId);
  }

  /** Stops making a chunk, because nobody wants it any more. */
  stop(jobId: string): void {
    for (const { job, stop } of this.#making) if (job.id === jobId) stop.abort();
  }

  /** Stops making everything, for good; each job is given back. Resolves when those held back have been. */
  async stopAll(): Promise<void> {
    this.#stopping.abort();
    for (const { stop } of this.#making) stop.abort();
    await Promise.all(this.#heldBack);
  }

  /** Never rejects. Uses the reservation up, or gives it back. */
  async run(job: ChunkJob, reservation: Reservation): Promise<void> {
    // Its lock ran out though it is being made here: the first run ends it.
    if (this.isMaking(job.id)) {
      reservation.release();
      return;
    }
    const making = { job, stop: new AbortController() };
    this.#making.add(making);
    try {
      const ended = await this.#make(job, reservation, making.stop.signal);
      if (ended === 'done') await this.#finish(job);
      else if (ended === 'no-room') {
        this.options.emit({ kind: 'skipped', reason: 'share' });
        this.#holdBack(HOLD_BACK_MS, job, () => this.abandon(job));
      } else this.#holdBack(PASS_ON_MS, job, () => this.#passOn(job));
    } catch (err) {
      this.#unrecorded(job, err);
    } finally {
      reservation.release();
      this.#making.delete(making);
    }
  }

  /** Gives a job back unmade. */
  async abandon(job: ChunkJob): Promise<void> {
    await this.#release(job, 'abandoned');
    await this.#finish(job);
    await this.#wake();
  }

  /** Puts a job back into the queue as it is. */
  async #passOn(job: ChunkJob): Promise<void> {
    const { broker, self, insist } = this.options;
    await this.#finish(job);
    await insist(() => broker.add(self.fingerprint, [job]));
  }

  #finish({ id }: ChunkJob): Promise<void> {
    const { broker, self, insist } = this.options;
    return insist(() => broker.finish(self.fingerprint, id, self.id));
  }

  /**
   * For a job that is in the queue again as soon as it is given back: it is held back a while, or it would go round and
   * round.
   */
  #holdBack(ms: number, job: ChunkJob, giveBack: () => Promise<void>): void {
    const given = sleep(this.options.clock, ms, this.#stopping.signal)
      .then(giveBack)
      .catch((err) => this.#unrecorded(job, err))
      .finally(() => this.#heldBack.delete(given));
    this.#heldBack.add(given);
  }

  #unrecorded(job: ChunkJob, err: unknown): void {
    const { closing, log } = this.options;
    if (!closing.aborted) log.error({ err, ...this.#namesOf(job) }, 'a job ended without a record');
  }

  async #make(job: ChunkJob, reservation: Reservation, signal: AbortSignal): Promise<Ended> {
    const { runs, closing } = this.options;
    try {
      // Opening a run may take its manifest's way here: meanwhile the chunk is known to be in hand.
      if (runs.shape(job.runKey) === null && !(await this.#begin(job))) return await this.#passedBy(job);
      const ended = await runs.use(job.runKey, job.url, (maker) =>
        this.#makeWith(maker, job, reservation, signal),
      );
      if (ended !== null) return ended;
      await this.#skip(job, 'unknown-run');
    } catch (error) {
      if (closing.aborted) throw error;
      if (this.#stopping.signal.aborted) await this.#skip(job, 'stopping');
      else if (signal.aborted) await this.#skip(job, 'unwanted');
      else await this.#failed(job, toFailure(error));
    }
    return 'done';
  }

  async #makeWith(
    maker: RunMaker,
    job: ChunkJob,
    reservation: Reservation,
    signal: AbortSignal,
  ): Promise<Ended> {
    const { outbox, maxChunkBytes } = this.options;
    const { runKey, attempt } = job;
    const chunk = chunkName(job);
    if (!(await this.#isWanted(job))) {
      await this.#skip(job, 'unwanted');
      return 'done';
    }
    const bytes = Math.min(maker.bytesFor(job.indices.length), maxChunkBytes);
    if (outbox.get(runKey, chunk) === null && !outbox.admits(runKey, bytes)) return 'no-room';
    if (!reservation.assign(runKey, bytes)) return 'no-room';
    if (!(await this.#begin(job))) return this.#passedBy(job);
    // Held already: its record was lost, the chunk was not.
    let held = outbox.renew(runKey, chunk, attempt);
    if (held === null) {
      const made = await this.#makeChunk(maker, job, signal);
      held = { runKey, chunk, attempt, made };
      reservation.fill(held);
    }
    await this.publish(held);
    await this.#reportSubstitutions(job, held.made);
    return 'done';
  }

  async #makeChunk(maker: RunMaker, job: ChunkJob, signal: AbortSignal): Promise<MadeChunk> {
    const { clock, emit, tally } = this.options;
    const start = clock.now();
    const end = tally.begin(job.runKey);
    const span = this.#trace(job);
    try {
      const made = await maker.make({ epoch: job.epoch, indices: job.indices }, signal);
      tally.made(job.runKey, made);
      emit(madeEvent(made, (clock.now() - start) / 1000));
      this.#logSubstitutions(job, made);
      if (span) traceMade(this.options.tracer as Tracer, span, made);
      span?.end();
      return made;
    } catch (error) {
      span?.end(toFailure(error).problem);
      throw error;
    } finally {
      end();
    }
  }

  #trace(job: ChunkJob): Span | null {
    const { tracer, self } = this.options;
    const { traceparent: parent, epoch, attempt } = job;
    if (!tracer || parent === undefined) return null;
    const attributes = {
      'cropstream.worker': self.id,
      'cropstream.chunk': chunkName(job),
      'cropstream.epoch': epoch,
      'cropstream.attempt': attempt,
      'cropstream.samples': job.indices.length,
    };
    return tracer.start('make', { parent, attributes });
  }

  /** A job that was not to be begun here. */
  async #passedBy(job: ChunkJob): Promise<Ended> {
    if (await this.#hedgesOwn(job)) return 'not-for-us';
    this.options.emit({ kind: 'skipped', reason: 'superseded' });
    return 'done';
  }

  /** Beginning again what was begun here changes nothing. */
  #begin({ runKey, attempt, ...span }: ChunkJob): Promise<boolean> {
    const { store, self, insist } = this.options;
    return insist(() => store.begin(runKey, chunkName(span), attempt, self.id));
  }

  /**
   * The last look may be older than the job, or than the run's opening here. Of a run at work most jobs are newer than
   * that: they are taken at their word, or each would cost a look at every rank.
   */
  async #isWanted(job: ChunkJob): Promise<boolean> {
    const { wants, insist } = this.options;
    const chunk = chunkName(job);
    if (wants.isBeyond(job.runKey, job)) return true;
    if (wants.has(job.runKey, chunk) !== true) await insist(() => wants.refreshRun(job.runKey));
    return wants.has(job.runKey, chunk) !== false;
  }

  /** Whether a job is the hedge of a chunk that this worker is late with, and still to be had by another. */
  async #hedgesOwn(job: ChunkJob): Promise<boolean> {
    const { store, self, insist } = this.options;
    const [state] = await insist(() => store.chunkStates(job.runKey, [chunkName(job)]));
    if (state?.state !== 'outstanding') return false;
    const { takenBy, hedge } = state.outstanding;
    return takenBy === self.id && hedge?.attempt === job.attempt && hedge.takenBy === null;
  }

  /** Says where a chunk is. In the outbox before that, so that the first fetch finds it. */
  async publish(held: HeldChunk): Promise<void> {
    const { store, self, outbox, emit } = this.options;
    const { runKey, chunk, attempt } = held;
    const record: ReadyRecord = {
      chunk,
      attempt,
      workerId: self.id,
      address: self.address,
      tlsName: self.tlsName,
      bytes: held.made.payloadBytes,
    };
    const won = await this.options.insist(async () => {
      await this.options.beHeard();
      return store.publish(runKey, record);
    });
    // It may have won before: the answer to an earlier try is lost on its way, or it was never forgotten.
    if (!won && !(await this.#isOurs(held))) {
      if (outbox.drop(runKey, chunk, attempt)) emit({ kind: 'dropped', reason: 'lost' });
      return;
    }
    await this.#wake();
  }

  async #isOurs({ runKey, chunk, attempt }: HeldChunk): Promise<boolean> {
    const [state] = await this.options.insist(() => this.options.store.chunkStates(runKey, [chunk]));
    return (
      state?.state === 'ready' &&
      state.ready.workerId === this.options.self.id &&
      state.ready.attempt === attempt
    );
  }

  async #skip(job: ChunkJob, reason: SkipReason): Promise<void> {
    this.options.emit({ kind: 'skipped', reason });
    await this.#release(job, 'abandoned');
  }

  #release({ runKey, attempt, ...span }: ChunkJob, why: 'failure' | 'abandoned') {
    const { store, insist } = this.options;
    return insist(() => store.release(runKey, chunkName(span), attempt, why));
  }

  async #failed(job: ChunkJob, error: CropstreamError): Promise<void> {
    const { emit, log, limits, tally } = this.options;
    const chunk = chunkName(job);
    emit({ kind: 'failed', code: error.code });
    tally.failed(job.runKey);
    log.warn({ err: error, ...this.#namesOf(job) }, 'making a chunk failed');
    if (FINAL.has(error.code)) await this.#failChunk(job, error);
    else {
      const { failures } = await this.#release(job, 'failure');
      if (failures >= limits.maxAttempts) {
        const details = { chunk, attempts: failures, reason: error.problem };
        await this.#failChunk(job, failure('CHUNK_FAILED', details, { cause: error }));
      }
    }
    await this.#wake();
  }

  #failChunk(job: ChunkJob, error: CropstreamError): Promise<void> {
    const { store, insist } = this.options;
    const errorJson = JSON.stringify(error.toWire());
    return insist(() => store.failChunk(job.runKey, chunkName(job), errorJson));
  }

  /** For the run's operators. What cannot be said is in the log, and no reason to fail the chunk. */
  async #reportSubstitutions(job: ChunkJob, { substitutions }: MadeChunk): Promise<void> {
    const { store, clock, log } = this.options;
    if (substitutions.length === 0) return;
    const reports = substitutions.map(({ row, path, reason, ...substitution }) => ({
      ...substitution,
      at: clock.wall(),
      epoch: job.epoch,
      position: job.first + row,
      path: clipped(path),
      reason: clipped(reason),
    }));
    await store.reportSubstitutions(job.runKey, reports).catch((err) => {
      log.warn({ err, run: job.runKey }, 'substitutions were not reported');
    });
  }

  #logSubstitutions(job: ChunkJob, made: MadeChunk): void {
    for (const substitution of made.substitutions) {
      this.options.log.warn({ ...this.#namesOf(job), ...substitution }, 'a bad sample was substituted');
    }
  }

  /** What every line on a chunk says. */
  #namesOf(job: ChunkJob) {
    const { self, runs } = this.options;
    const { runKey, epoch, attempt } = job;
    const chunk = chunkName(job);
    const shape = runs.shape(runKey);
    if (!shape) return { run: runKey, epoch, worker: self.id, chunk, attempt };
    const { plan, labels } = shape;
    const step = globalStep(plan, { epoch, step: Math.floor(job.first / plan.globalBatchSize) });
    return { ...labels, epoch, step, worker: self.id, chunk, attempt };
  }

  /** A hint: coordinators look every second in any case. */
  async #wake(): Promise<void> {
    await this.options.store.wake(WAKE_COORDINATORS).catch(() => {});
  }
}

/**
 * What the run's spec and data decide, so that every worker would fail the chunk in the same way: trying again would
 * only hide why. All else may be of one worker (its mounts, its transforms, a defect) or of one moment.
 */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'SAMPLE_UNDECODABLE',
  'SAMPLE_UNSUPPORTED',
  'SAMPLE_OVER_LIMIT',
  'NO_GOOD_SAMPLE',
  'DATASET_CHANGED',
  'DATASET_MALFORMED',
  'CHUNK_TOO_LARGE',
  'TRANSFORM_INVALID',
]);

/** When samples were read and images computed, as spans; the time of each stage is a sum over all threads. */
function traceMade(
  tracer: Tracer,
  { traceparent: parent, set }: Span,
  { timeline, timings, ...made }: MadeChunk,
): void {
  set({ 'cropstream.bytes': made.payloadBytes, 'cropstream.substituted': made.substitutions.length });
  const { read, compute } = timeline;
  if (read) tracer.start('read', { parent, at: read.from })?.end(undefined, read.to);
  if (!compute) return;
  const attributes = Object.fromEntries(
    Object.entries(timings).map(([stage, ms]) => [`cropstream.${stage}_seconds`, ms / 1000]),
  );
  tracer.start('compute', { parent, at: compute.from, attributes })?.end(undefined, compute.to);
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

function clipped(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
