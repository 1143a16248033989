import {
  type AttachmentRecord,
  type Broker,
  type QueueCounts,
  type RunKey,
  type RunRecord,
  runKeyOf,
  type Store,
  WAKE_COORDINATORS,
  type WorkerRecord,
} from '@cropstream/broker';
import { type CropstreamError, failure, toFailure } from '@cropstream/errors';
import {
  type Attach,
  type AttachRequest,
  type Nack,
  Nack_Reason,
  PROTOCOL_VERSION,
} from '@cropstream/protocol';
import {
  type Clock,
  type OwnerLimits,
  ownerFor,
  type Principal,
  sleep,
  type Timer,
  type Tracer,
} from '@cropstream/runtime';
import { checkWorld } from '@cropstream/schedule';
import { type AttachChannel, Attachment, type Taken } from './attachment.js';
import type { CoordinatorLimits } from './limits.js';
import { LivingWorkers } from './living-workers.js';
import type { OpenRun } from './open-run.js';
import { requireQuota, sharesOf } from './quotas.js';
import { type ReconcileObserver, Reconciler } from './reconcile.js';
import type { RunCatalog } from './runs.js';
import { Workload } from './workload.js';

/** How often the runs' shares of the queue are reckoned anew, if nobody attaches. */
const SHARE_MS = 250;
/**
 * After a pass it rests for so many times as long as that took, so that passes over large windows take a third of its
 * time at most and what comes meanwhile is seen to by one; but not longer than what nobody notices.
 */
const REST_FACTOR = 2;
const MAX_REST_MS = 100;

/** What the coordinator reports; the log and the metrics implement it. */
export interface CoordinatorObserver extends ReconcileObserver {
  attached(attachment: Attachment): void;
  detached(attachment: Attachment, error?: CropstreamError): void;
  nacked(reason: Nack_Reason): void;
  /** A trainer has said how far it is. */
  progressed(attachment: Attachment, taken: Taken): void;
  passed(seconds: number): void;
  passFailed(error: unknown): void;
  /** Told some times a second, with what of the limits is in use here. */
  fleet(fleet: FleetState, used: Partial<CoordinatorLimits>): void;
  /** Chunk jobs over all queues, told once a second. */
  queued(counts: QueueCounts): void;
}

/** All of the fleet, as a coordinator saw it last. */
export interface FleetState {
  readonly workers: readonly WorkerRecord[];
  readonly runs: readonly RunRecord[];
  /** Of every coordinator, by run key. */
  readonly attachments: ReadonlyMap<RunKey, readonly AttachmentRecord[]>;
  /** Worker processes that the trainers ask for; not a whole number. */
  readonly desiredWorkers: number;
}

export interface CoordinatorOptions {
  readonly id: string;
  readonly catalog: RunCatalog;
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly limits: CoordinatorLimits;
  readonly ownerLimits: (owner: string) => OwnerLimits;
  readonly observer: CoordinatorObserver;
  /** @default nothing is traced */
  readonly tracer?: Tracer | null;
}

/** A trainer's stream as its carrier sees it. */
export interface Connection {
  receive(message: AttachRequest): void;
  /** The stream is gone, in order or not. */
  disconnect(): void;
}

/**
 * Keeps, for every attached rank, a window of chunk jobs in the queue, as wide as the credits that its
 * trainer gave. Holds no state that must outlive it: a trainer that attaches elsewhere sends its full state
 * again, and any coordinator can compute every want from the attachments.
 */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #reconciler: Reconciler;
  readonly #living: LivingWorkers;
  readonly #attachments = new Set<Attachment>();
  readonly #stopWakes: () => void;
  #poked = false;
  #passing: Promise<void> | null = null;
  #nextPassAt = Number.NEGATIVE_INFINITY;
  /** How many chunks of each run may wait, as of the last look. */
  #shares: ReadonlyMap<string, number> = new Map();
  #sharedAt = Number.NEGATIVE_INFINITY;
  #fleet: FleetState | null = null;
  readonly #workload = new Workload();
  #tick: Timer | null = null;
  #tickDue = true;
  readonly #stopping = new AbortController();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#living = new LivingWorkers(options.store, options.clock);
    this.#reconciler = new Reconciler({ ...options, living: this.#living, tracer: options.tracer ?? null });
    this.#stopWakes = options.store.onWake(WAKE_COORDINATORS, () => this.#poke());
    this.#schedule();
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** The workers that it knows of. */
  get living(): LivingWorkers {
    return this.#living;
  }

  /** Attachments at this coordinator now. */
  get attachments(): ReadonlySet<Attachment> {
    return this.#attachments;
  }

  /** Null before the first look. */
  get fleet(): FleetState | null {
    return this.#fleet;
  }

  /** A trainer's stream begins, with the token of `principal`. */
  connect(channel: AttachChannel, principal: Principal): Connection {
    const pending: AttachRequest[] = [];
    let attachment: Attachment | null = null;
    let working = false;
    let closed = false;
    const work = async () => {
      working = true;
      try {
        for (let next = pending.shift(); next && !closed; next = pending.shift()) {
          const { message } = next;
          if (!attachment) {
            if (message?.$case !== 'attach') {
              throw failure('SPEC_INVALID', {
                field: 'message',
                value: message?.$case ?? 'nothing',
                allowed: 'attach first',
              });
            }
            attachment = await this.#attach(message.value, channel, principal);
            if (closed) await this.#detach(attachment);
          } else if (message?.$case === 'progress') {
            const taken = attachment.advance(message.value);
            this.#options.observer.progressed(attachment, taken);
            this.#poke();
          } else if (message?.$case === 'nack') await this.#nack(attachment, message.value);
        }
      } catch (error) {
        if (attachment) await this.#detach(attachment, toFailure(error));
        else channel.end(toFailure(error));
      } finally {
        working = false;
      }
    };
    return {
      receive: (message) => {
        if (closed) return;
        // Each progress is the trainer's whole state: of those that wait only the newest counts.
        const newest = pending.at(-1)?.message?.$case;
        if (newest === 'progress' && message.message?.$case === 'progress') pending.pop();
        if (pending.length >= this.#options.limits.maxPendingMessages) {
          const limit = this.#options.limits.maxPendingMessages;
          const error = failure('LIMIT_EXCEEDED', {
            field: 'messages waiting',
            value: pending.length + 1,
            limit,
          });
          if (attachment) attachment.end(error);
          else channel.end(error);
          return;
        }
        pending.push(message);
        if (!working) void work();
      },
      disconnect: () => {
        closed = true;
        if (attachment) void this.#detach(attachment);
        // One that never said who it is would wait for the end of its stream for ever.
        else if (!working) channel.end();
      },
    };
  }

  /** Ends every attachment; trainers attach elsewhere, or here again after a restart. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#stopWakes();
    this.#tick?.cancel();
    const ended = [...this.#attachments].map((attachment) =>
      this.#detach(attachment, failure('SHUTTING_DOWN', {})),
    );
    await Promise.allSettled(ended);
    await this.#passing;
  }

  async #attach(hello: Attach, channel: AttachChannel, principal: Principal): Promise<Attachment> {
    const { store, limits, catalog, id, observer, clock } = this.#options;
    requireProtocol(hello.protocolVersion);
    if (this.#stopped) throw failure('SHUTTING_DOWN', {});
    if (this.#attachments.size >= limits.maxAttachments) {
      throw failure('LIMIT_EXCEEDED', {
        field: 'attachments',
        value: this.#attachments.size + 1,
        limit: limits.maxAttachments,
      });
    }
    const owner = ownerFor(principal);
    const run = await catalog.byName(owner, hello.run).catch(async (thrown) => {
      const key = runKeyOf({ owner, digest: hello.runDigest });
      throw await this.#closedOr({ key, name: hello.run }, toFailure(thrown));
    });
    if (hello.runDigest !== '' && hello.runDigest !== run.digest) {
      throw failure('RUN_CONFLICT', {
        run: run.name,
        difference: `its digest is ${run.digest}, asked for is ${hello.runDigest}`,
      });
    }
    checkWorld(run.plan, { rank: hello.rank, worldSize: hello.worldSize, allowUneven: hello.allowUneven });
    const others = await store.attachments(run.key);
    const attachment = new Attachment({
      ...{ run, hello, channel, coordinator: id, maxWindowChunks: limits.maxWindowChunks, clock },
      tracer: this.#options.tracer ?? null,
      before: others.find((other) => other.process === hello.process && other.rank === hello.rank),
    });
    checkWorldSize(attachment.record, others);
    const answer = await store.attach(attachment.record, limits.leaseMs, hello.takeover);
    if (!answer.ok) {
      const { host, pid } = answer.holder;
      throw failure('RANK_TAKEN', { rank: hello.rank, consumer: hello.consumer, host, pid });
    }
    attachment.fencing = answer.fencing;
    await this.#checkQuota(attachment);
    this.#supersede(attachment);
    this.#attachments.add(attachment);
    this.#sharedAt = Number.NEGATIVE_INFINITY;
    observer.attached(attachment);
    channel.send({
      message: { $case: 'attached', value: { run: run.info, fencing: BigInt(answer.fencing) } },
    });
    this.#poke();
    return attachment;
  }

  /** Of an attachment that the store knows already: of many that come at once no more stay than the owner may have. */
  async #checkQuota({ run: { owner }, record }: Attachment): Promise<void> {
    const { store, ownerLimits } = this.#options;
    const { maxAttachments } = ownerLimits(owner);
    if (maxAttachments === null) return;
    const keys = new Set((await store.runs()).flatMap((run) => (run.owner === owner ? runKeyOf(run) : [])));
    const attached = await Promise.all([...keys].map((key) => store.attachments(key)));
    try {
      requireQuota(owner, 'ranks attached', attached.flat().length, maxAttachments);
    } catch (error) {
      await store.detach(record);
      throw error;
    }
  }

  /** Ends an older attachment of the same rank here; elsewhere, its renewal finds out. */
  #supersede(newest: Attachment): void {
    const { consumer, rank, host, pid, process } = newest.record;
    for (const old of this.#attachments) {
      const { record } = old;
      if (!sameJob(record, newest.record) || record.rank !== rank) continue;
      this.#attachments.delete(old);
      old.end(record.process === process ? undefined : failure('SUPERSEDED', { rank, consumer, host, pid }));
    }
  }

  async #detach(attachment: Attachment, error?: CropstreamError): Promise<void> {
    attachment.end(error);
    if (!this.#attachments.delete(attachment)) return;
    this.#options.observer.detached(attachment, error);
    await this.#options.store.detach(attachment.record).catch(this.#options.observer.passFailed);
    this.#poke();
  }

  async #nack(attachment: Attachment, nack: Nack): Promise<void> {
    const { store, limits, observer } = this.#options;
    const want = attachment.wants.find(
      ({ epoch, first, last }) =>
        nack.chunk?.epoch === BigInt(epoch) &&
        nack.chunk.first === BigInt(first) &&
        nack.chunk.last === BigInt(last),
    );
    observer.nacked(nack.reason);
    if (!want) return;
    attachment.announced.set(want.name, { attempt: nack.attempt, workerId: nack.workerId, lost: true });
    if (nack.reason === Nack_Reason.UNREACHABLE) {
      // Others may reach the worker, so its record stays while it beats; this attachment has a few tries.
      const times = (attachment.unreachable.get(want.name) ?? 0) + 1;
      attachment.unreachable.set(want.name, times);
      const living = (await store.workers()).find(({ id }) => id === nack.workerId);
      if (living && times >= limits.maxUnreachable) {
        throw failure('UNREACHABLE', {
          target: `worker ${living.address}`,
          reason: `it lives, but ${times} fetches of chunk ${want.name} found no way to it`,
        });
      }
    } else {
      await store.retract(attachment.run.key, want.name, nack.workerId, nack.attempt);
    }
    this.#poke();
  }

  #schedule(): void {
    this.#tick = this.#options.clock.timer(this.#options.limits.tickMs, () => {
      this.#tickDue = true;
      this.#poke();
      if (!this.#stopped) this.#schedule();
    });
  }

  #poke(): void {
    this.#poked = true;
    if (!this.#passing && !this.#stopped) {
      this.#passing = this.#passes().finally(() => {
        this.#passing = null;
        // Poked after the last pass had ended and before this: it would be forgotten until the next tick.
        if (this.#poked) this.#poke();
      });
    }
  }

  async #passes(): Promise<void> {
    const { clock, limits } = this.#options;
    while (this.#poked && !this.#stopped) {
      const early = this.#nextPassAt - clock.now();
      if (early > 0) await sleep(clock, early, this.#stopping.signal);
      if (this.#stopped) return;
      const startedAt = clock.now();
      this.#nextPassAt = startedAt + limits.wakeMs;
      this.#poked = false;
      const ticked = this.#tickDue;
      this.#tickDue = false;
      try {
        await this.#pass(ticked);
        const endedAt = clock.now();
        this.#options.observer.passed((endedAt - startedAt) / 1000);
        const rest = Math.min(REST_FACTOR * (endedAt - startedAt), MAX_REST_MS);
        this.#nextPassAt = Math.max(this.#nextPassAt, endedAt + rest);
      } catch (error) {
        // The store or the broker is away: the next tick tries again, with everything computed anew.
        this.#poked = false;
        this.#tickDue = true;
        this.#options.observer.passFailed(error);
        return;
      }
    }
  }

  async #pass(ticked: boolean): Promise<void> {
    await this.#renew();
    const byRun = new Map<OpenRun, Attachment[]>();
    for (const attachment of this.#attachments) {
      const known = byRun.get(attachment.run);
      if (known) known.push(attachment);
      else byRun.set(attachment.run, [attachment]);
    }
    await this.#shareOut();
    for (const [run, attachments] of byRun) {
      await this.#unlessLost(attachments, () => this.#passRun(run, attachments, ticked));
    }
    if (!ticked) return;
    await this.#tellQueues();
    this.#reconciler.forget(this.#attachments);
    for (const run of await this.#options.catalog.list()) await this.#reconciler.removeUnwanted(run);
  }

  async #passRun(run: OpenRun, attachments: readonly Attachment[], ticked: boolean): Promise<void> {
    const { store, observer } = this.#options;
    // Of a paused run nothing more is claimed; what is under way is made, and told.
    const share = run.paused ? 0 : (this.#shares.get(run.key) ?? 1);
    await this.#reconciler.run(run, attachments, share, ticked);
    if (ticked) await this.#reconciler.tellWaiting(run, attachments);
    for (const attachment of attachments) {
      if (attachment.ended && this.#attachments.delete(attachment)) {
        observer.detached(attachment);
        await store.detach(attachment.record);
      }
    }
  }

  /** A run that the store lost ends its own attachments: their trainers open it again. So does a closed one, for good. */
  async #unlessLost<T>(attachments: readonly Attachment[], work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (thrown) {
      const error = toFailure(thrown);
      if (error.code !== 'RUN_NOT_FOUND') throw error;
      for (const attachment of attachments) {
        await this.#detach(attachment, await this.#closedOr(attachment.run, error));
      }
      return null;
    }
  }

  /** RUN_CLOSED where an operator closed the run, so that its trainers do not open it again; else the error as it is. */
  async #closedOr(run: Pick<OpenRun, 'key' | 'name'>, error: CropstreamError) {
    if (error.code !== 'RUN_NOT_FOUND') return error;
    const closed = await this.#options.store.wasClosed(run.key, run.name);
    return closed ? failure('RUN_CLOSED', { run: run.name }) : error;
  }

  /** Tells the store the attachments' newest cursors, all at once, and learns which were taken over elsewhere. */
  async #renew(): Promise<void> {
    const { clock, limits } = this.#options;
    const now = clock.now();
    const due = [...this.#attachments].filter(
      ({ changed, renewedAt }) => changed || now - renewedAt >= limits.leaseMs / 3,
    );
    await Promise.all(due.map((attachment) => this.#renewOne(attachment, now)));
  }

  async #renewOne(attachment: Attachment, now: number): Promise<void> {
    const { store, limits } = this.#options;
    attachment.changed = false;
    attachment.renewedAt = now;
    const renew = () => store.renew(attachment.record, limits.leaseMs);
    if ((await this.#unlessLost([attachment], renew)) !== false) return;
    const { consumer, rank, runKey } = attachment.record;
    const holder = (await store.attachments(runKey)).find(
      (other) => sameJob(other, attachment.record) && other.rank === rank,
    );
    const { host, pid } = holder ?? { host: 'another process', pid: 0 };
    await this.#detach(attachment, failure('SUPERSEDED', { rank, consumer, host, pid }));
  }

  #used(runs: number): Partial<CoordinatorLimits> {
    return {
      maxRuns: runs,
      maxOpening: this.#options.catalog.opening,
      maxAttachments: this.#attachments.size,
      maxWindowChunks: Math.max(0, ...[...this.#attachments].map(({ credits }) => credits)),
    };
  }

  async #tellQueues(): Promise<void> {
    const { broker, observer } = this.#options;
    const queues = new Set(this.#fleet?.runs.map(({ fingerprint }) => fingerprint));
    const counts = await Promise.all([...queues].map((queue) => broker.counts(queue)));
    const sum = { waiting: 0, active: 0 };
    for (const { waiting, active } of counts) {
      sum.waiting += waiting;
      sum.active += active;
    }
    observer.queued(sum);
  }

  /** Looks again at who draws and who makes, and shares the queue out between them. */
  async #shareOut(): Promise<void> {
    const { store, observer, clock, ownerLimits } = this.#options;
    const now = clock.now();
    if (now - this.#sharedAt < SHARE_MS) return;
    const workers = [...(await this.#living.all()).values()];
    const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
    const runs = await store.runs();
    const attachments = new Map<RunKey, readonly AttachmentRecord[]>();
    for (const key of new Set(runs.map(runKeyOf))) attachments.set(key, await store.attachments(key));
    this.#workload.observe(workers, new Set(attachments.keys()));
    const working = runs.filter(({ state }) => state === 'active');
    const drawing = working.flatMap((run) =>
      attachments.get(runKeyOf(run))!.filter(({ runName }) => runName === run.name),
    );
    const desiredWorkers = this.#workload.desired(drawing);
    this.#fleet = { workers, runs, attachments, desiredWorkers };
    observer.fleet(this.#fleet, this.#used(runs.length));
    this.#shares = sharesOf(slots, new Set(drawing.map(({ runKey }) => runKey)), ownerLimits);
    this.#sharedAt = now;
  }
}

/**
 * Two world sizes on one step of a consumer are an error; a change between steps is not.
 *
 * @throws WORLD_MISMATCH
 */
function checkWorldSize(record: AttachmentRecord, others: readonly AttachmentRecord[]): void {
  for (const other of others) {
    if (!sameJob(other, record) || other.worldSize === record.worldSize) continue;
    const overlaps = other.nextStep < record.windowEnd && record.nextStep < other.windowEnd;
    const replaced = other.rank === record.rank && other.process === record.process;
    if (!overlaps || replaced) continue;
    throw failure('WORLD_MISMATCH', {
      consumer: record.consumer,
      step: Math.max(other.nextStep, record.nextStep),
      existing: other.worldSize,
      given: record.worldSize,
    });
  }
}

/** Ranks of one training job: they share the run's name and the consumer's id. */
function sameJob(a: AttachmentRecord, b: AttachmentRecord): boolean {
  return a.runKey === b.runKey && a.runName === b.runName && a.consumer === b.consumer;
}

/** @throws PROTOCOL_MISMATCH */
export function requireProtocol(given: number): void {
  if (given !== PROTOCOL_VERSION) {
    throw failure('PROTOCOL_MISMATCH', { given, supported: PROTOCOL_VERSION });
  }
}
