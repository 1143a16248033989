import { setMaxListeners } from 'node:events';
import {
  type Broker,
  type ChunkJob,
  chunkName,
  jobId,
  type Store,
  WAKE_COORDINATORS,
  type WorkerRecord,
} from '@cropstream/broker';
import { Budget } from '@cropstream/chunks';
import { PROTOCOL_VERSION } from '@cropstream/protocol';
import { type Clock, Outage, sleep, type Tracer, VERSION } from '@cropstream/runtime';
import type { WorkerLimits } from './config.js';
import type { Emit, Log } from './events.js';
import { insistUntil } from './insist.js';
import { JobRunner, type WorkerIdentity } from './jobs.js';
import { type DropReason, type HeldChunk, Outbox, type Reservation } from './outbox.js';
import { Patience } from './patience.js';
import { Preferences } from './preferences.js';
import { type OpenRun, RunBook } from './run-book.js';
import { Tally } from './tally.js';
import { Wants } from './wants.js';

/** How long closing waits for jobs to be given back. */
const CLOSE_MS = 3_000;

/** How long after the last job with an affinity the living workers are still of interest. */
const AFFINE_MS = 30_000;

/** How often a drain looks whether it is done. */
const DRAIN_LOOK_MS = 50;

export interface CropWorkerOptions {
  readonly self: WorkerIdentity;
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: Emit;
  readonly limits: WorkerLimits;
  readonly maxChunkBytes: number;
  readonly openRun: OpenRun;
  /** @default nothing is traced */
  readonly tracer?: Tracer | null;
  /** Resolves once it was admitted to its fleet: it takes no jobs before. @default it needs no admission */
  readonly whenAdmitted?: Promise<void>;
}

/**
 * A worker without its server: beats, takes jobs while its outbox has room, holds what was made until it is
 * fetched or unwanted. All it knows of the world comes through store, broker and clock.
 */
export class CropWorker {
  readonly outbox: Outbox;
  readonly #options: CropWorkerOptions;
  readonly #jobs: JobRunner;
  readonly #runs: RunBook;
  readonly #wants: Wants;
  readonly #slots: Budget;
  readonly #tally: Tally;
  readonly #outages: { readonly jobs: Outage; readonly beats: Outage; readonly wants: Outage };
  readonly #draining = new AbortController();
  readonly #closing = new AbortController();
  readonly #patience: { readonly held: Patience; readonly unfetched: Patience; readonly jobs: Patience };
  #taking = Promise.resolve();
  #beating = Promise.resolve();
  #lastBeat = Number.NEGATIVE_INFINITY;
  #looking = false;
  #mendedAt = 0;
  readonly #preferences: Preferences;
  /** When the last job came that had an affinity. */
  #affineAt = Number.NEGATIVE_INFINITY;

  /** @throws LIMIT_EXCEEDED where the outbox cannot hold the largest permitted chunk */
  constructor(options: CropWorkerOptions) {
    const { store, clock, log, limits, maxChunkBytes } = options;
    this.#options = options;
    this.#preferences = new Preferences(options.self);
    // Every call that waits for the store to come back listens: many at a time are no leak.
    setMaxListeners(0, this.#draining.signal, this.#closing.signal);
    const insist = insistUntil(this.#closing.signal, clock, log);
    this.outbox = new Outbox({
      limitBytes: limits.outboxBytes,
      maxChunkBytes,
      onEvict: (held, reason) => void this.#retract(held, reason),
    });
    this.#runs = new RunBook(store, options.openRun, limits.runs, insist);
    this.#wants = new Wants(store, this.#runs);
    this.#slots = new Budget(limits.jobs);
    this.#tally = new Tally(clock);
    const worker = options.self.id;
    this.#outages = {
      jobs: new Outage(log, 'no job can be taken', { worker }),
      beats: new Outage(log, 'beats are not heard', { worker }),
      wants: new Outage(log, 'it cannot be learnt which chunks are wanted', { worker }),
    };
    this.#patience = {
      held: new Patience(limits.unwantedMs, clock),
      unfetched: new Patience(limits.unfetchedMs, clock),
      jobs: new Patience(limits.unwantedMs, clock),
    };
    this.#jobs = new JobRunner({
      ...options,
      outbox: this.outbox,
      runs: this.#runs,
      wants: this.#wants,
      tally: this.#tally,
      insist,
      closing: this.#closing.signal,
      beHeard: () => this.#beHeard(),
    });
  }

  /** Whether the others know that it lives, as far as it knows. */
  get isHeard(): boolean {
    return this.#options.clock.now() - this.#lastBeat <= this.#options.limits.leaseMs;
  }

  /** Registers, then takes jobs until drained or closed. */
  async start(): Promise<void> {
    await this.#beat();
    this.#beating = this.#beatLoop();
    this.#taking = this.#takeLoop();
  }

  /** Takes no more jobs, ends those it has, and waits until what is wanted was fetched, `graceMs` at most. */
  async drain(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#draining.abort();
    const end = clock.now() + graceMs;
    while (clock.now() < end && !this.#closing.signal.aborted) {
      if (this.#jobs.active === 0 && !this.outbox.hasUndelivered && !this.outbox.isSending) return;
      await sleep(clock, DRAIN_LOOK_MS, this.#closing.signal);
    }
  }

  /** Ends at once: what it makes is given back, what it holds may be made again by others. */
  async close(): Promise<void> {
    const { store, self, log, clock } = this.#options;
    this.#draining.abort();
    const givenBack = Promise.all([this.#jobs.stopAll(), this.#taking]);
    // In order where the store can be reached: jobs given back count as nobody's failure.
    await Promise.race([givenBack, sleep(clock, CLOSE_MS, this.#closing.signal)]);
    this.#closing.abort();
    await Promise.all([givenBack, this.#beating]);
    await store.leave(self.id).catch((err) => log.warn({ err, worker: self.id }, 'could not sign off'));
    await store.wake(WAKE_COORDINATORS).catch(() => {});
    await this.#runs.close();
    for (const { runKey, chunk, attempt } of this.outbox.held()) this.outbox.drop(runKey, chunk, attempt);
  }

  async #takeLoop(): Promise<void> {
    const { clock, whenAdmitted } = this.#options;
    const running = new Set<Promise<void>>();
    await Promise.race([whenAdmitted, aborted(this.#draining.signal)]);
    while (!this.#draining.signal.aborted) {
      const free = await this.#slots.take(1);
      const reservation = await this.#reserve().catch(() => null);
      if (reservation === null) {
        free();
        break;
      }
      const job = await this.#take().catch((err) => {
        this.#outages.jobs.failed(err);
        return sleep(clock, this.#options.limits.beatMs, this.#draining.signal).then(() => null);
      });
      if (job === null || this.#draining.signal.aborted) {
        reservation.release();
        free();
        if (job !== null) running.add(this.#jobs.abandon(job).catch(() => {}));
        continue;
      }
      const run = this.#jobs.run(job, reservation).finally(() => {
        free();
        running.delete(run);
      });
      running.add(run);
    }
    await Promise.all(running);
  }

  /**
   * Room for a job's chunk before the job is taken. Which run's it will be is not known: that of the largest chunks among
   * those known here, or one not known yet, whose job is given back where it needs more than can be had.
   */
  #reserve(): Promise<Reservation> {
    const { maxChunkBytes } = this.outbox;
    const bytes = Math.min(this.#runs.largestChunkBytes ?? maxChunkBytes, maxChunkBytes);
    return this.outbox.reserve(bytes, this.#draining.signal);
  }

  /** A worker that the others may take for gone takes nothing: its job would be made twice. */
  async #take(): Promise<ChunkJob | null> {
    const { broker, self, limits, clock } = this.#options;
    if (!this.isHeard) {
      await sleep(clock, limits.beatMs, this.#draining.signal);
      return null;
    }
    const job = await broker.take(self.fingerprint, self.id, limits.takeMs, this.#preferences.preferred);
    this.#outages.jobs.succeeded();
    if (job?.affinity !== undefined) this.#affineAt = clock.now();
    return job;
  }

  async #beatLoop(): Promise<void> {
    const { clock, limits } = this.#options;
    while (!this.#closing.signal.aborted) {
      await sleep(clock, limits.beatMs, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
      await this.#beat();
      // Never in the way of the next beat.
      void this.#look();
    }
  }

  async #tellBeat(): Promise<void> {
    const { store, self, limits, clock } = this.#options;
    const { usedBytes, limitBytes } = this.outbox;
    const at = clock.now();
    const record: WorkerRecord = {
      ...self,
      protocolVersion: PROTOCOL_VERSION,
      outboxBytes: usedBytes,
      outboxLimit: limitBytes,
      version: VERSION,
      made: this.#tally.record,
    };
    await store.beat(record, limits.leaseMs);
    this.#lastBeat = at;
  }

  /** What a worker publishes while it counts as gone is forgotten at once: it signs on again first. */
  async #beHeard(): Promise<void> {
    const { clock, limits } = this.#options;
    if (clock.now() - this.#lastBeat > limits.beatMs) await this.#tellBeat();
  }

  async #beat(): Promise<void> {
    this.#tellState();
    try {
      await this.#tellBeat();
      this.#outages.beats.succeeded();
    } catch (err) {
      this.#outages.beats.failed(err);
    }
  }

  #tellState(): void {
    const { busySeconds, runs } = this.#tally.record;
    this.#options.emit({
      kind: 'state',
      used: { outboxBytes: this.outbox.usedBytes, jobs: this.#jobs.active, runs: this.#runs.size },
      chunks: this.outbox.size,
      busySeconds,
      runs: Object.fromEntries(
        Object.entries(runs).flatMap(([digest, made]) => {
          const labels = this.#runs.shape(digest)?.labels;
          return labels ? [[digest, { ...labels, ...made }]] : [];
        }),
      ),
    });
  }

  /** Learns who its fellows are, while jobs come of which each prefers some. */
  async #prefer(): Promise<void> {
    const { store, clock } = this.#options;
    if (clock.now() - this.#affineAt > AFFINE_MS) return;
    this.#preferences.update(await store.workers());
  }

  /** Learns what is wanted by now, and lets go of what has been unwanted for a while. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#wants.refresh();
      await this.#prefer();
      const isWanted = (held: HeldChunk) => this.#wants.has(held.runKey, held.chunk) !== false;
      const { held: holding, unfetched, jobs: making } = this.#patience;
      const keyOf = ({ runKey, chunk, attempt }: HeldChunk) => jobId(runKey, chunk, attempt);
      const lying = new Set(unfetched.exhausted(this.outbox.undelivered(), keyOf, () => false).map(keyOf));
      this.outbox.update(this.#wants.activeRuns, (held) => isWanted(held) && !lying.has(keyOf(held)));
      for (const held of holding.exhausted(this.outbox.held(), keyOf, isWanted)) {
        if (this.outbox.drop(held.runKey, held.chunk, held.attempt)) void this.#retract(held, 'unwanted');
      }
      for (const { id } of making.exhausted(
        this.#jobs.jobs(),
        (job) => job.id,
        (job) => this.#wants.has(job.runKey, chunkName(job)) !== false,
      )) {
        this.#jobs.stop(id);
      }
      await this.#mend();
      this.#outages.wants.succeeded();
    } catch (err) {
      this.#outages.wants.failed(err);
    } finally {
      this.#looking = false;
    }
  }

  /**
   * For what the store says is being made here and is not: it forgot how that ended, with its last writes perhaps. What
   * is held is published again, the rest is given up. An attempt that ended meanwhile is let alone.
   */
  async #mend(): Promise<void> {
    const { store, self, limits, clock } = this.#options;
    if (clock.now() - this.#mendedAt < limits.leaseMs) return;
    this.#mendedAt = clock.now();
    for (const runKey of this.#wants.runs) {
      for (const { chunk, hedge, ...first } of await store.outstanding(runKey)) {
        for (const { attempt, takenBy } of hedge ? [first, hedge] : [first]) {
          if (takenBy !== self.id || this.#jobs.isMaking(jobId(runKey, chunk, attempt))) continue;
          const held = this.outbox.renew(runKey, chunk, attempt);
          if (held) {
            await this.#jobs.publish(held);
            continue;
          }
          await store.release(runKey, chunk, attempt, 'abandoned');
          await store.wake(WAKE_COORDINATORS);
        }
      }
    }
  }

  async #retract({ runKey, chunk, attempt }: HeldChunk, reason: DropReason): Promise<void> {
    const { store, self, emit, log } = this.#options;
    emit({ kind: 'dropped', reason });
    try {
      await store.retract(runKey, chunk, self.id, attempt);
    } catch (err) {
      // Who fetches it is told NOT_FOUND, and the record goes then.
      log.warn({ err, worker: self.id, chunk, attempt }, 'could not retract a ready record');
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
