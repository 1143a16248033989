import { failure } from '@cropstream/errors';
import type { Clock } from '@cropstream/runtime';
import { parseRunKey, runKeyOf } from '../names.js';
import type {
  AttachmentRecord,
  ChunkName,
  ChunkState,
  OutstandingRecord,
  ReadyRecord,
  ReportKind,
  ReportPage,
  RunKey,
  RunRecord,
  RunReports,
  RunState,
  SubstitutionReport,
  Verdict,
  WorkerRecord,
} from '../records.js';
import { sharedBytes } from '../shared-bytes.js';
import { CLOSED_MS, type Store } from '../store.js';
import { ChunkTable } from './chunk-table.js';
import { ReportBook } from './report-book.js';

/** Cursors are a convenience; jobs that come and go for ever must not fill the memory with them. */
const MAX_CURSORS = 10_000;
/** What has expired is never seen again at once, and let go of this often. */
const SWEEP_MS = 1_000;

interface Leased<T> {
  readonly value: T;
  readonly expiresAt: number;
}

/** What is known of one run key. Two names may be open with it: they share chunks. */
interface KeyState {
  readonly chunks: ChunkTable;
  readonly attachments: Map<string, Leased<AttachmentRecord>>;
  /** By rank: the last step and the last fencing number. */
  readonly cursors: Map<string, { readonly step: number; readonly fencing: number }>;
  readonly reports: ReportBook;
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /**
   * A run that nobody opens and no trainer is attached to is forgotten after so long, and so is a manifest of no run that nobody reads.
   * @default 24 hours
   */
  readonly idleMs?: number;
}

const nameKey = (owner: string, name: string) => `${owner}/${name}`;

/** Two names of one digest are two runs: their jobs do not meet. */
const rankKey = (runName: string, consumer: string, rank: number) =>
  JSON.stringify([runName, rank, consumer]);

const closedKey = (runKey: RunKey, name: string) => `${runKey} ${name}`;

/** The store of a single process: nothing outlives it. Every method runs to its end in one turn, so each is atomic. */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #runs = new Map<string, Leased<RunRecord>>();
  readonly #states = new Map<string, KeyState>();
  readonly #manifests = new Map<string, Leased<Uint8Array>>();
  readonly #workers = new Map<string, Leased<WorkerRecord>>();
  readonly #verdicts = new Map<string, Leased<Verdict>>();
  readonly #closed = new Map<string, Leased<true>>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #wakes = new Set<string>();
  #fencing = 0;
  #nextSweep = 0;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock;
    this.#idleMs = options.idleMs ?? 24 * 3_600_000;
  }

  // --- runs and manifests

  async openRun(run: RunRecord): Promise<{ readonly run: RunRecord; readonly created: boolean }> {
    this.#sweep();
    const { owner, name } = run;
    const open = this.#run(owner, name);
    const expired = this.#runs.get(nameKey(owner, name));
    if (open === undefined && expired !== undefined) this.#forgetRun(expired.value);
    if (open !== undefined && open.digest !== run.digest) {
      this.#touch(open, 0);
      return { run: open, created: false };
    }
    const key = runKeyOf(run);
    const sibling = this.#ofKey(key) ?? run;
    const { chunkSize, fingerprint } = sibling;
    const { openedAt, state } = open ?? run;
    const record = { ...run, chunkSize, fingerprint, openedAt, state };
    this.#closed.delete(closedKey(key, run.name));
    this.#touch(record, 0);
    if (!this.#states.has(key)) {
      this.#states.set(key, {
        chunks: new ChunkTable(this.#clock, (id) => this.#live(this.#workers, id) !== undefined),
        attachments: new Map(),
        cursors: new Map(),
        reports: new ReportBook(),
      });
    }
    return { run: record, created: open === undefined };
  }

  async runByName(owner: string, name: string): Promise<RunRecord | null> {
    return this.#run(owner, name) ?? null;
  }

  async runByKey(key: RunKey): Promise<RunRecord | null> {
    return this.#ofKey(key) ?? null;
  }

  async runs(): Promise<readonly RunRecord[]> {
    return this.#openRuns();
  }

  async closeRun(owner: string, name: string): Promise<void> {
    const run = this.#run(owner, name);
    if (run === undefined) return;
    this.#forgetRun(run);
    const key = closedKey(runKeyOf(run), name);
    this.#closed.set(key, { value: true, expiresAt: this.#clock.now() + CLOSED_MS });
  }

  async wasClosed(runKey: RunKey, name: string): Promise<boolean> {
    return this.#live(this.#closed, closedKey(runKey, name)) ?? false;
  }

  async setRunState(owner: string, name: string, state: RunState): Promise<RunRecord | null> {
    const run = this.#run(owner, name);
    if (run === undefined) return null;
    const record = { ...run, state };
    this.#touch(record, 0);
    return record;
  }

  async putManifest(digest: string, bytes: Uint8Array): Promise<void> {
    this.#sweep();
    const known = this.#manifests.get(digest)?.value;
    this.#manifests.set(digest, {
      value: known ?? sharedBytes(bytes),
      expiresAt: this.#clock.now() + this.#idleMs,
    });
  }

  /** All of it costs no more than a part. */
  async manifest(digest: string): Promise<Uint8Array | null> {
    const known = this.#manifests.get(digest);
    if (known === undefined) return null;
    this.#manifests.set(digest, { ...known, expiresAt: this.#clock.now() + this.#idleMs });
    return known.value;
  }

  // --- attachments

  async attach(
    attachment: Omit<AttachmentRecord, 'fencing'>,
    leaseMs: number,
    takeover: boolean,
  ): Promise<
    | { readonly ok: true; readonly fencing: number }
    | { readonly ok: false; readonly holder: AttachmentRecord }
  > {
    this.#sweep();
    const state = this.#stateOf(attachment);
    const key = rankKey(attachment.runName, attachment.consumer, attachment.rank);
    const holder = this.#live(state.attachments, key);
    if (holder !== undefined && holder.process !== attachment.process && !takeover) {
      return { ok: false, holder };
    }
    // By the clock, as in Redis: a number that is forgotten with the last writes is not given twice. (Simulations lose some.)
    this.#fencing = Math.max(this.#fencing + 1, Math.floor(1_000 * this.#clock.wall()));
    const fencing = this.#fencing;
    this.#hold(state, { ...attachment, fencing }, leaseMs);
    return { ok: true, fencing };
  }

  async renew(attachment: AttachmentRecord, leaseMs: number): Promise<boolean> {
    this.#sweep();
    const state = this.#stateOf(attachment);
    const key = rankKey(attachment.runName, attachment.consumer, attachment.rank);
    const newest = state.cursors.get(key)?.fencing ?? 0;
    if (newest > attachment.fencing) return false;
    // Also after the lease ran out, when nobody took the rank: the trainer is there, whatever kept its coordinator.
    this.#hold(state, attachment, leaseMs);
    return true;
  }

  async detach(attachment: AttachmentRecord): Promise<void> {
    const state = this.#states.get(attachment.runKey);
    const key = rankKey(attachment.runName, attachment.consumer, attachment.rank);
    if (state?.attachments.get(key)?.value.fencing !== attachment.fencing) return;
    state.attachments.delete(key);
    this.#setCursor(state, key, attachment);
  }

  async attachments(runKey: RunKey): Promise<readonly AttachmentRecord[]> {
    const state = this.#states.get(runKey);
    return state === undefined ? [] : this.#allLive(state.attachments);
  }

  async cursor(
    { owner, name }: Pick<RunRecord, 'owner' | 'name'>,
    consumer: string,
    rank: number,
  ): Promise<number | null> {
    const run = this.#run(owner, name);
    const state = run && this.#states.get(runKeyOf(run));
    return state?.cursors.get(rankKey(name, consumer, rank))?.step ?? null;
  }

  // --- chunks

  async claim(
    runKey: RunKey,
    chunk: ChunkName,
    share: number,
  ): Promise<{ readonly claimed: OutstandingRecord } | { readonly refused: 'share' } | ChunkState> {
    this.#sweep();
    const state = this.#states.get(runKey);
    if (state === undefined) throw this.#notOpen(runKey, runKey);
    return state.chunks.claim(chunk, share);
  }

  async hedge(runKey: RunKey, chunk: ChunkName, attempt: number, percent: number): Promise<number | null> {
    return this.#states.get(runKey)?.chunks.hedge(chunk, attempt, percent) ?? null;
  }

  async begin(runKey: RunKey, chunk: ChunkName, attempt: number, workerId: string): Promise<boolean> {
    return this.#states.get(runKey)?.chunks.begin(chunk, attempt, workerId) ?? false;
  }

  async publish(runKey: RunKey, ready: ReadyRecord): Promise<boolean> {
    return this.#states.get(runKey)?.chunks.publish(ready) ?? false;
  }

  async retract(runKey: RunKey, chunk: ChunkName, workerId: string, attempt: number): Promise<boolean> {
    return this.#states.get(runKey)?.chunks.retract(chunk, workerId, attempt) ?? false;
  }

  async release(
    runKey: RunKey,
    chunk: ChunkName,
    attempt: number,
    why: 'failure' | 'death' | 'abandoned',
  ): Promise<{ readonly failures: number; readonly deaths: number }> {
    const state = this.#states.get(runKey);
    return state?.chunks.release(chunk, attempt, why) ?? { failures: 0, deaths: 0 };
  }

  async failChunk(runKey: RunKey, chunk: ChunkName, errorJson: string): Promise<void> {
    const state = this.#states.get(runKey);
    if (state?.chunks.fail(chunk, errorJson)) {
      state.reports.add('failures', [{ chunk, errorJson, at: this.#clock.wall() }]);
    }
  }

  async chunkStates(runKey: RunKey, chunks: readonly ChunkName[]): Promise<readonly ChunkState[]> {
    this.#sweep();
    const state = this.#states.get(runKey);
    return chunks.map((chunk) => state?.chunks.state(chunk) ?? { state: 'none' });
  }

  async outstanding(runKey: RunKey): Promise<readonly OutstandingRecord[]> {
    return this.#states.get(runKey)?.chunks.outstanding() ?? [];
  }

  // --- reports

  async reportSubstitutions(runKey: RunKey, reports: readonly SubstitutionReport[]): Promise<void> {
    this.#states.get(runKey)?.reports.add('substitutions', reports);
  }

  async reports<Kind extends ReportKind>(
    runKey: RunKey,
    kind: Kind,
    page: { readonly before?: number | undefined; readonly most: number },
  ): Promise<ReportPage<RunReports[Kind]>> {
    return this.#states.get(runKey)?.reports.page(kind, page) ?? { total: 0, reports: [] };
  }

  // --- workers

  async beat(worker: WorkerRecord, leaseMs: number): Promise<void> {
    this.#sweep();
    this.#workers.set(worker.id, { value: worker, expiresAt: this.#clock.now() + leaseMs });
  }

  async workers(): Promise<readonly WorkerRecord[]> {
    return this.#allLive(this.#workers);
  }

  async leave(workerId: string): Promise<void> {
    this.#workers.delete(workerId);
    for (const { chunks } of this.#states.values()) chunks.sweep();
  }

  async judge(workerId: string, verdict: Verdict, keepMs: number): Promise<void> {
    this.#sweep();
    this.#verdicts.set(workerId, { value: verdict, expiresAt: this.#clock.now() + keepMs });
  }

  async verdict(workerId: string): Promise<Verdict | null> {
    return this.#live(this.#verdicts, workerId) ?? null;
  }

  // --- wakes

  async wake(topic: string): Promise<void> {
    if (this.#wakes.has(topic)) return;
    this.#wakes.add(topic);
    // Later, so that a listener never runs inside the call that woke it; many wakes of one turn are one.
    queueMicrotask(() => {
      this.#wakes.delete(topic);
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
    });
  }

  onWake(topic: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    // A listener of its own for each call: the same function may listen twice.
    const own = () => listener();
    listeners.add(own);
    return () => {
      listeners.delete(own);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  // --- leases

  #live<T>(records: Map<string, Leased<T>>, key: string): T | undefined {
    const record = records.get(key);
    return record !== undefined && record.expiresAt > this.#clock.now() ? record.value : undefined;
  }

  #allLive<T>(records: Map<string, Leased<T>>): T[] {
    const now = this.#clock.now();
    return [...records.values()].filter(({ expiresAt }) => expiresAt > now).map(({ value }) => value);
  }

  #run(owner: string, name: string): RunRecord | undefined {
    return this.#live(this.#runs, nameKey(owner, name));
  }

  #ofKey(key: RunKey): RunRecord | undefined {
    return this.#openRuns().find((run) => runKeyOf(run) === key);
  }

  #openRuns(): RunRecord[] {
    return this.#allLive(this.#runs);
  }

  #touch(run: RunRecord, leaseMs: number): void {
    const now = this.#clock.now();
    const key = nameKey(run.owner, run.name);
    const expiresAt = Math.max(this.#runs.get(key)?.expiresAt ?? 0, now + Math.max(this.#idleMs, leaseMs));
    this.#runs.set(key, { value: run, expiresAt });
  }

  #stateOf({ runKey, runName }: Pick<AttachmentRecord, 'runKey' | 'runName'>): KeyState {
    const { owner, digest } = parseRunKey(runKey);
    const run = this.#run(owner, runName);
    const state = this.#states.get(runKey);
    if (run?.digest !== digest || state === undefined) throw this.#notOpen(runKey, runName);
    return state;
  }

  /** With the names that there are, of the same owner: those of others are none of its business. */
  #notOpen(runKey: RunKey, run: string) {
    const { owner } = parseRunKey(runKey);
    const known = this.#openRuns().flatMap((open) => (open.owner === owner ? open.name : []));
    return failure('RUN_NOT_FOUND', { run, known: known.join(', ') || 'none' });
  }

  #hold(state: KeyState, attachment: AttachmentRecord, leaseMs: number): void {
    const key = rankKey(attachment.runName, attachment.consumer, attachment.rank);
    state.attachments.set(key, { value: attachment, expiresAt: this.#clock.now() + leaseMs });
    this.#setCursor(state, key, attachment);
    const run = this.#run(parseRunKey(attachment.runKey).owner, attachment.runName);
    if (run !== undefined) this.#touch(run, leaseMs);
  }

  #setCursor({ cursors }: KeyState, key: string, { nextStep, fencing }: AttachmentRecord): void {
    cursors.delete(key);
    cursors.set(key, { step: nextStep, fencing });
    if (cursors.size > MAX_CURSORS) for (const oldest of cursors.keys()) return void cursors.delete(oldest);
  }

  #forgetRun(run: RunRecord): void {
    this.#runs.delete(nameKey(run.owner, run.name));
    const key = runKeyOf(run);
    const state = this.#states.get(key);
    if (state === undefined) return;
    for (const [rank, { value }] of state.attachments) {
      if (value.runName === run.name) state.attachments.delete(rank);
    }
    if (this.#ofKey(key) === undefined) this.#states.delete(key);
  }

  #sweep(): void {
    const now = this.#clock.now();
    if (now < this.#nextSweep) return;
    this.#nextSweep = now + SWEEP_MS;
    for (const [id, { expiresAt }] of this.#workers) if (expiresAt <= now) this.#workers.delete(id);
    for (const [key, { expiresAt }] of this.#closed) if (expiresAt <= now) this.#closed.delete(key);
    for (const [id, { expiresAt }] of this.#verdicts) if (expiresAt <= now) this.#verdicts.delete(id);
    for (const { value, expiresAt } of [...this.#runs.values()]) if (expiresAt <= now) this.#forgetRun(value);
    for (const { attachments, chunks } of this.#states.values()) {
      for (const [key, { expiresAt }] of attachments) if (expiresAt <= now) attachments.delete(key);
      chunks.sweep();
    }
    const used = new Set(this.#openRuns().map(({ manifestDigest }) => manifestDigest));
    for (const [digest, { value, expiresAt }] of this.#manifests) {
      if (used.has(digest)) this.#manifests.set(digest, { value, expiresAt: now + this.#idleMs });
      else if (expiresAt <= now) this.#manifests.delete(digest);
    }
  }
}
