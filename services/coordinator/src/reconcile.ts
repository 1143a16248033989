import {
  type Broker,
  type ChunkJob,
  type ChunkName,
  type ChunkState,
  chunkName,
  jobId,
  type OutstandingRecord,
  type QueueCounts,
  type ReadyRecord,
  type Store,
  type WorkerRecord,
} from '@cropstream/broker';
import { CropstreamError, failure } from '@cropstream/errors';
import type { Clock, Tracer } from '@cropstream/runtime';
import { type WantedChunk, wantedChunks } from '@cropstream/schedule';
import type { Attachment } from './attachment.js';
import type { CoordinatorLimits } from './limits.js';
import type { LivingWorkers } from './living-workers.js';
import type { OpenRun } from './open-run.js';
import { inOrder, type Want, type WantedBy } from './wanted.js';
import { type Watch, Watches } from './watches.js';

/** What the reconcile loop reports; the metrics implement it. */
export interface ReconcileObserver {
  scheduled(chunks: number): void;
  announced(chunks: number): void;
  /** A chunk that was asked for so long ago is ready. */
  ready(seconds: number): void;
  workerDied(run: OpenRun, want: Want, claim: OutstandingRecord): void;
  /** A late chunk was given to a second worker. */
  hedged(): void;
  /** The second worker was first. */
  hedgeWon(): void;
  removed(jobs: number): void;
}

export interface ReconcilerOptions {
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly limits: CoordinatorLimits;
  readonly observer: ReconcileObserver;
  readonly living: LivingWorkers;
  /** Null: nothing is traced. */
  readonly tracer: Tracer | null;
}

/** While the queue is as long as it should be, its claims are healed so many times more seldom. */
const BUSY_HEALS = 5;

/**
 * Compares what the attachments of one run want with what there is, and does what is missing. Level, not
 * edge: it may run at any time and any number of times, and what a lost wake or a crash left undone, the
 * next pass does. Costs O(window).
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #watches = new Watches();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /**
   * One pass over a run. `share` is how many of its chunks may wait in the queue at once. With `told` it also looks at
   * chunks that everybody was told of: a store that forgot their completion has claims of them, which fill the share.
   */
  async run(run: OpenRun, attachments: readonly Attachment[], share: number, told: boolean): Promise<void> {
    const { store, broker, observer } = this.#options;
    const wants = inOrder(attachments, told);
    const states = await store.chunkStates(run.key, [...wants.keys()]);
    const outstanding = states.flatMap((s) => (s.state === 'outstanding' ? s.outstanding : []));
    const living = await this.#living(outstanding);
    const todo: Todo = { missing: [], unbegun: [], late: [] };
    let at = 0;
    for (const wanted of wants.values()) {
      let state = states[at++] as ChunkState;
      if (state.state === 'outstanding' && hasGone(state.outstanding, living)) {
        state = await this.#withoutDead(run, wanted.want, state.outstanding, living);
      }
      this.#attendTo(run, wanted, state, todo);
    }
    const inQueue = once(() => broker.counts(run.fingerprint));
    const jobs = await this.#claim(run, todo, share);
    jobs.push(...(await this.#heal(run, todo.unbegun, outstanding.length, inQueue)));
    // What is new goes first: a worker that makes something twice is to have nothing better to do.
    if (
      todo.late.length > 0 &&
      todo.missing.length === 0 &&
      jobs.length === 0 &&
      (await inQueue()).waiting === 0
    ) {
      jobs.push(...(await this.#hedge(run, todo.late, living)));
    }
    if (jobs.length > 0) {
      await broker.add(run.fingerprint, jobs);
      observer.scheduled(jobs.length);
    }
  }

  /** Ends what can be ended at once, and sorts the rest into what is to be done. */
  #attendTo(run: OpenRun, wanted: WantedBy, state: ChunkState, todo: Todo): void {
    const { want, by } = wanted;
    if (state.state === 'outstanding') {
      const unbegun = waitingOf(state.outstanding);
      if (unbegun) todo.unbegun.push({ want, by, claim: unbegun });
      else if (by.length > 0 && this.#isLate(run, want, state.outstanding)) {
        todo.late.push({ want, by, claim: state.outstanding });
      }
    } else if (by.length > 0) {
      if (state.state === 'none') todo.missing.push(wanted);
      else if (state.state === 'failed') endAll(by, state.failed.errorJson);
      else this.#options.observer.announced(this.#announce(run, state.ready, want, by));
    }
  }

  /** Claims what is missing, all at once, which the store makes one command of; no more than the share can be had. */
  async #claim(run: OpenRun, todo: Todo, share: number): Promise<ChunkJob[]> {
    const { store } = this.#options;
    const some = todo.missing.slice(0, share);
    const claims = await Promise.all(some.map(({ want }) => store.claim(run.key, want.name, share)));
    const jobs: ChunkJob[] = [];
    for (const [at, wanted] of some.entries()) {
      const claim = claims[at]!;
      if ('claimed' in claim) jobs.push(this.#jobOf(run, { ...wanted, claim: claim.claimed }));
      else if ('state' in claim) this.#attendTo(run, wanted, claim, todo);
    }
    return jobs;
  }

  /** Tells each attachment which chunk it waits for, since when, and who has it. */
  async tellWaiting(run: OpenRun, attachments: readonly Attachment[]): Promise<void> {
    const waiting = attachments.flatMap((attachment) => {
      const want = attachment.wants.find(({ name }) => attachment.awaits(name));
      return want ? [{ attachment, want }] : [];
    });
    const states = await this.#options.store.chunkStates(
      run.key,
      waiting.map(({ want }) => want.name),
    );
    for (const [at, { attachment, want }] of waiting.entries()) {
      const state = states[at] as ChunkState;
      const outstanding = state.state === 'outstanding' ? state.outstanding : undefined;
      attachment.channel.send({
        message: {
          $case: 'waiting',
          value: {
            chunk: rangeOf(want),
            attempt: outstanding?.attempt ?? 0,
            workerId: outstanding?.takenBy ?? '',
            seconds: (this.#options.clock.now() - this.#watch(run, want.name).since) / 1000,
            runPaused: run.paused,
          },
        },
      });
    }
  }

  /** Takes back jobs that no attachment of any coordinator wants any more; those that a living worker took run on. */
  async removeUnwanted(run: OpenRun): Promise<void> {
    const { store, broker, observer } = this.#options;
    const outstanding = await store.outstanding(run.key);
    const living = await this.#living(outstanding);
    const waiting = outstanding.filter((claim) => claim.takenBy === null || isGone(claim.takenBy, living));
    if (waiting.length === 0) return;
    const wanted = new Set(
      (await store.attachments(run.key)).flatMap((attachment) =>
        wantedChunks(run.plan, run.chunkSize, attachment).map(chunkName),
      ),
    );
    const unwanted = waiting.filter(({ chunk }) => !wanted.has(chunk));
    if (unwanted.length === 0) return;
    await broker.remove(
      run.fingerprint,
      unwanted.map(({ chunk, attempt }) => jobId(run.key, chunk, attempt)),
    );
    for (const { chunk, attempt } of unwanted) await store.release(run.key, chunk, attempt, 'abandoned');
    observer.removed(unwanted.length);
  }

  /** Forgets what it watched of chunks that no attachment here wants any more. */
  forget(attachments: Iterable<Attachment>): void {
    this.#watches.forget(attachments);
  }

  #watch(run: OpenRun, name: ChunkName): Watch {
    return this.#watches.run(run.key).of(name, this.#options.clock.now());
  }

  /** The workers that live, those who took these chunks among them unless they are gone. */
  #living(outstanding: readonly OutstandingRecord[]): Promise<ReadonlyMap<string, WorkerRecord>> {
    const takers = outstanding.flatMap(({ takenBy, hedge }) => [takenBy ?? [], hedge?.takenBy ?? []].flat());
    return this.#options.living.including(new Set(takers));
  }

  /** The job of a claim that is about to be queued. */
  #jobOf(run: OpenRun, claimed: Claimed): ChunkJob {
    const watch = this.#watch(run, claimed.want.name);
    watch.queuedAt = this.#options.clock.now();
    watch.waitedAt = watch.queuedAt;
    return this.#traced(run, claimed);
  }

  /** A chunk's job, with the trace of the first that wants it: one span from its claim to its being ready, whatever happens. */
  #traced(run: OpenRun, claimed: Claimed): ChunkJob {
    const { want, by, claim } = claimed;
    const job = jobOf(run, claimed);
    const watch = this.#watch(run, want.name);
    const parent = by
      .map((attachment) => attachment.traceOf(want.step))
      .find((context) => context !== undefined);
    if (watch.span === null && parent !== undefined) {
      const attributes = {
        'cropstream.run': run.name,
        'cropstream.chunk': want.name,
        'cropstream.epoch': want.epoch,
        'cropstream.step': want.step,
      };
      watch.span = this.#options.tracer?.start('chunk', { parent, attributes, at: watch.since }) ?? null;
    }
    watch.span?.event('queued', { 'cropstream.attempt': claim.attempt });
    return watch.span === null ? job : { ...job, traceparent: watch.span.traceparent };
  }

  /**
   * For claims that nobody has begun for a while: a job may have been lost on the way to the queue, so it is added again
   * under its id; while the queue has as many jobs as there are claims, only now and then, for jobs of other runs may be
   * what it has. Adding changes nothing where a worker took the job and was never heard of it again, or never learnt that
   * it has it: then the queue runs empty while the claim stays, and the claim is given up for another.
   */
  async #heal(
    run: OpenRun,
    unbegun: readonly Claimed[],
    outstanding: number,
    inQueue: () => Promise<QueueCounts>,
  ): Promise<ChunkJob[]> {
    const { store, clock, limits } = this.#options;
    const now = clock.now();
    const jobs: ChunkJob[] = [];
    for (const claimed of unbegun) {
      const { want, claim } = claimed;
      const watch = this.#watch(run, want.name);
      watch.waitedAt = now;
      if (now - watch.queuedAt < limits.healMs) continue;
      watch.queuedAt = now;
      const { waiting, active } = await inQueue();
      const isBusy = waiting > 0 && waiting + active >= outstanding;
      if (isBusy && ++watch.passedOver < BUSY_HEALS) continue;
      watch.passedOver = 0;
      if (watch.healed === claim.attempt && waiting === 0) {
        await store.release(run.key, want.name, claim.attempt, 'abandoned');
        const again = await store.claim(run.key, want.name, Number.MAX_SAFE_INTEGER);
        if ('claimed' in again) {
          jobs.push({ ...this.#jobOf(run, { ...claimed, claim: again.claimed }), urgent: true });
        }
        continue;
      }
      watch.healed = claim.attempt;
      jobs.push(this.#traced(run, claimed));
    }
    return jobs;
  }

  /** Whether a chunk has been made for far longer than is usual. */
  #isLate(run: OpenRun, want: Want, claim: OutstandingRecord): boolean {
    const { clock, limits } = this.#options;
    const watch = this.#watch(run, want.name);
    const now = clock.now();
    if (watch.making?.attempt !== claim.attempt) watch.making = { attempt: claim.attempt, since: now };
    const ageMs = now - watch.making.since;
    if (claim.hedge || ageMs < limits.hedgeAfterMs || now - watch.hedgeAt < limits.tickMs) return false;
    return ageMs >= limits.hedgeFactor * this.#watches.run(run.key).pace.usualMs;
  }

  /** Gives late chunks to a second worker, where one lives: it has nothing else to do. */
  async #hedge(
    run: OpenRun,
    late: readonly Claimed[],
    living: ReadonlyMap<string, WorkerRecord>,
  ): Promise<ChunkJob[]> {
    const { store, clock, limits, observer } = this.#options;
    const able = [...living.values()].filter(({ fingerprint }) => fingerprint === run.fingerprint);
    const jobs: ChunkJob[] = [];
    for (const claimed of late) {
      const { name } = claimed.want;
      const watch = this.#watch(run, name);
      watch.hedgeAt = clock.now();
      if (!able.some(({ id }) => id !== claimed.claim.takenBy)) continue;
      const attempt = await store.hedge(run.key, name, claimed.claim.attempt, limits.hedgePercent);
      if (attempt === null) continue;
      watch.hedge = attempt;
      watch.queuedAt = clock.now();
      jobs.push(
        this.#traced(run, {
          ...claimed,
          claim: hedgeOf({ ...claimed.claim, hedge: { attempt, takenBy: null } }),
        }),
      );
      observer.hedged();
    }
    return jobs;
  }

  /** What is left of a claim without the attempts of workers that are gone. */
  async #withoutDead(
    run: OpenRun,
    want: Want,
    claim: OutstandingRecord,
    living: ReadonlyMap<string, unknown>,
  ): Promise<ChunkState> {
    if (isGone(claim.takenBy, living)) return this.#afterDeath(run, want, claim);
    const { hedge } = claim;
    if (hedge === null || !isGone(hedge.takenBy, living)) return { state: 'outstanding', outstanding: claim };
    await this.#options.store.release(run.key, claim.chunk, hedge.attempt, 'death');
    return { state: 'outstanding', outstanding: { ...claim, hedge: null } };
  }

  async #afterDeath(run: OpenRun, want: Want, claim: OutstandingRecord): Promise<ChunkState> {
    const { chunk, attempt } = claim;
    const { store, limits, observer } = this.#options;
    observer.workerDied(run, want, claim);
    this.#watch(run, want.name).span?.event('worker died', {
      'cropstream.worker': claim.takenBy ?? '',
      'cropstream.attempt': attempt,
    });
    const { deaths } = await store.release(run.key, chunk, attempt, 'death');
    if (deaths < limits.maxDeaths) return { state: 'none' };
    const error = failure('CHUNK_FAILED', {
      chunk,
      attempts: deaths,
      reason: `the worker died each time, ${deaths} workers in all`,
    });
    const errorJson = JSON.stringify(error.toWire());
    await store.failChunk(run.key, chunk, errorJson);
    return { state: 'failed', failed: { chunk, errorJson } };
  }

  /** Says where a ready chunk is, to those that were not told of this attempt. Returns how many were. */
  #announce(run: OpenRun, ready: ReadyRecord, want: Want, by: readonly Attachment[]): number {
    this.#seenReady(run, ready);
    let told = 0;
    for (const attachment of by) {
      const known = attachment.announced.get(want.name);
      if (known?.attempt === ready.attempt && known.workerId === ready.workerId && !known.lost) continue;
      attachment.announced.set(want.name, { attempt: ready.attempt, workerId: ready.workerId, lost: false });
      attachment.channel.send({
        message: {
          $case: 'ready',
          value: {
            chunk: rangeOf(want),
            attempt: ready.attempt,
            location: { workerId: ready.workerId, address: ready.address, tlsName: ready.tlsName },
            bytes: BigInt(ready.bytes),
            traceparent: attachment.traceOf(want.step),
          },
        },
      });
      told += 1;
    }
    return told;
  }

  #seenReady(run: OpenRun, { chunk, attempt }: ReadyRecord): void {
    const { chunks, pace } = this.#watches.run(run.key);
    const watch = chunks.get(chunk);
    if (!watch) return;
    this.#options.observer.ready((this.#options.clock.now() - watch.since) / 1000);
    // From when it was known not to be taken yet: what is usual is rather overrated than a chunk hedged for nothing.
    if (watch.waitedAt !== null) pace.record(this.#options.clock.now() - watch.waitedAt);
    if (watch.hedge === attempt) this.#options.observer.hedgeWon();
    this.#watches.drop(run.key, chunk);
  }
}

/** A claim, and who waits for its chunk. */
interface Claimed {
  readonly want: Want;
  readonly by: readonly Attachment[];
  readonly claim: OutstandingRecord;
}

/** What a pass has found, besides what it could end at once. */
interface Todo {
  /** Neither ready, outstanding nor failed. */
  readonly missing: WantedBy[];
  /** Claimed, and taken by nobody yet. */
  readonly unbegun: Claimed[];
  readonly late: Claimed[];
}

function hasGone({ takenBy, hedge }: OutstandingRecord, living: ReadonlyMap<string, unknown>): boolean {
  return isGone(takenBy, living) || isGone(hedge?.takenBy ?? null, living);
}

function isGone(takenBy: string | null, living: ReadonlyMap<string, unknown>): boolean {
  return takenBy !== null && !living.has(takenBy);
}

/** A claim as its hedge has it. */
const hedgeOf = (claim: OutstandingRecord): OutstandingRecord => ({ ...claim, ...claim.hedge });

/** The attempt of a claim that waits for a worker: its first or its hedge. */
function waitingOf(claim: OutstandingRecord): OutstandingRecord | null {
  if (claim.takenBy === null) return claim;
  return claim.hedge?.takenBy === null ? hedgeOf(claim) : null;
}

function jobOf(run: OpenRun, { want, by, claim }: Claimed): ChunkJob {
  const { attempt, failures, deaths, hedge } = claim;
  const order = run.order(want.epoch);
  const { epoch, first, last } = want;
  const indices = Array.from({ length: last - first }, (_, i) => order.at(first + i));
  return {
    id: jobId(run.key, want.name, attempt),
    runKey: run.key,
    epoch,
    first,
    last,
    attempt,
    indices,
    url: run.url,
    ...run.affinityOf(indices),
    // It was tried, or even ready, before: whoever wants it is waiting for it already.
    urgent: failures + deaths > 0 || hedge !== null || by.some(({ announced }) => announced.has(want.name)),
  };
}

function rangeOf({ epoch, first, last }: WantedChunk) {
  return { epoch: BigInt(epoch), first: BigInt(first), last: BigInt(last) };
}

function endAll(attachments: readonly Attachment[], errorJson: string): void {
  const error = CropstreamError.fromWire(JSON.parse(errorJson));
  for (const attachment of attachments) attachment.end(error);
}

/** Makes it when first asked for. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
