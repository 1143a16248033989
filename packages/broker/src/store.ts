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
} from './records.js';

/** How long it is known that a run was closed: trainers come back from an outage within that. */
export const CLOSED_MS = 3_600_000;

/**
 * What coordinators and workers know in common. No record needs to be exact, only eventually true: a
 * chunk can always be made again with the same bytes. Each method is atomic (one script in Redis).
 * Records expire: attachments by their lease, workers by their beat, runs and their chunks when idle (nobody
 * opens them and no rank is attached), failures after a minute.
 */
export interface Store {
  // --- runs and manifests
  /**
   * Opens the run. An owner's name that is open with another digest stays as it is and is returned. Opened again with the
   * same digest, its spec is replaced, since the dataset may have moved. `chunkSize` and `fingerprint` are those of the runs
   * that the owner has open with the digest already, whatever their names: they share their chunks. Opening a paused
   * run leaves it paused.
   */
  openRun(run: RunRecord): Promise<{ readonly run: RunRecord; readonly created: boolean }>;
  runByName(owner: string, name: string): Promise<RunRecord | null>;
  runByKey(key: RunKey): Promise<RunRecord | null>;
  /** Of all owners. */
  runs(): Promise<readonly RunRecord[]>;
  /** Ends a run: its attachments, chunks, reports and record are forgotten. Trainers that it had are told for CLOSED_MS. */
  closeRun(owner: string, name: string): Promise<void>;
  /** Whether that run was closed within CLOSED_MS and not opened again since: it did not just expire. */
  wasClosed(runKey: RunKey, name: string): Promise<boolean>;
  /** Pauses a run or lets it go on; its record now, or null where it is not open. */
  setRunState(owner: string, name: string, state: RunState): Promise<RunRecord | null>;
  putManifest(digest: string, bytes: Uint8Array): Promise<void>;
  /**
   * Its bytes, in shared memory, or at least the first `most` where it has more; null where it is unknown. What is read is kept:
   * of no run are the shards' indexes, too, that a run's workers read for as long as it lasts.
   */
  manifest(digest: string, most?: number): Promise<Uint8Array | null>;

  // --- attachments
  /**
   * Attaches a rank. Refused where another process holds the rank, unless `takeover`; the newest wins and
   * gets a larger fencing number. Throws RUN_NOT_FOUND when that run is not open: whoever has its spec opens it again.
   */
  attach(
    attachment: Omit<AttachmentRecord, 'fencing'>,
    leaseMs: number,
    takeover: boolean,
  ): Promise<
    | { readonly ok: true; readonly fencing: number }
    | { readonly ok: false; readonly holder: AttachmentRecord }
  >;
  /**
   * Renews the lease with new cursors; false when a newer attachment took the rank. A lease that ran out is renewed
   * all the same where nobody took the rank. Throws RUN_NOT_FOUND when the run is not open any more.
   */
  renew(attachment: AttachmentRecord, leaseMs: number): Promise<boolean>;
  /** Ends the attachment if it is still this one; its cursor is kept as a convenience. */
  detach(attachment: AttachmentRecord): Promise<void>;
  attachments(runKey: RunKey): Promise<readonly AttachmentRecord[]>;
  /** Where a consumer's rank was last heard to be; the trainer's own state is the truth. */
  cursor(run: Pick<RunRecord, 'owner' | 'name'>, consumer: string, rank: number): Promise<number | null>;

  // --- chunks
  /**
   * Claims a chunk that is neither ready, outstanding nor failed, unless the run has `share` chunks waiting
   * in the queue already (outstanding, taken by nobody). The first attempt of a chunk is 1, and a later one is always
   * larger while the run lives; numbers may be left out. Throws RUN_NOT_FOUND when no run has that key.
   */
  claim(
    runKey: RunKey,
    chunk: ChunkName,
    share: number,
  ): Promise<{ readonly claimed: OutstandingRecord } | { readonly refused: 'share' } | ChunkState>;
  /**
   * Gives a chunk that a worker makes a second attempt, for another worker to make; its number, or null where nothing
   * was changed: that attempt is not being made any more, the chunk has two already, or more than `percent` of the run's
   * claims have been hedged. So there is at most one hedge more than that.
   */
  hedge(runKey: RunKey, chunk: ChunkName, attempt: number, percent: number): Promise<number | null>;
  /**
   * A worker begins an attempt; false: ready, failed, unclaimed, superseded or begun by another worker by now, or the
   * hedge of an attempt of its own, so skip it. Beginning again what the same worker began is true.
   */
  begin(runKey: RunKey, chunk: ChunkName, attempt: number, workerId: string): Promise<boolean>;
  /**
   * A worker made the chunk. The first completion wins, of whichever attempt: all have the same bytes. False: another
   * was first (or the chunk is not outstanding any more), so drop the copy. The chunk's counts are forgotten.
   */
  publish(runKey: RunKey, ready: ReadyRecord): Promise<boolean>;
  /** Forgets a ready record if it is still of that worker and attempt; true if it was. */
  retract(runKey: RunKey, chunk: ChunkName, workerId: string, attempt: number): Promise<boolean>;
  /**
   * An attempt ended without a chunk. `failure` and `death` count; `abandoned` (drained, unwanted) does not, and nothing
   * does of a hedge. Where the chunk has another attempt, that one stands; else it is neither outstanding nor ready, and
   * may be claimed again; its counts stay, for a minute where nobody does. An attempt that was superseded or released
   * already changes nothing, so each counts once.
   */
  release(
    runKey: RunKey,
    chunk: ChunkName,
    attempt: number,
    why: 'failure' | 'death' | 'abandoned',
  ): Promise<{ readonly failures: number; readonly deaths: number }>;
  /** Marks a chunk as failed for good (for a minute: then a trainer that is started again gets another try), and reports it. */
  failChunk(runKey: RunKey, chunk: ChunkName, errorJson: string): Promise<void>;
  /**
   * The states of chunks, in the order asked. What a gone worker holds is not ready. What it had begun stays
   * outstanding: the coordinator releases it as a death.
   */
  chunkStates(runKey: RunKey, chunks: readonly ChunkName[]): Promise<readonly ChunkState[]>;
  /** All outstanding chunks of a run: for what nobody wants any more. */
  outstanding(runKey: RunKey): Promise<readonly OutstandingRecord[]>;

  // --- reports: the newest REPORTS_KEPT of each kind, for as long as the run is open
  /** Nothing where the run is not open any more. */
  reportSubstitutions(runKey: RunKey, reports: readonly SubstitutionReport[]): Promise<void>;
  /** Those with numbers below `before` (by default all), newest first, `most` at most: 0 for the total alone. */
  reports<Kind extends ReportKind>(
    runKey: RunKey,
    kind: Kind,
    page: { readonly before?: number | undefined; readonly most: number },
  ): Promise<ReportPage<RunReports[Kind]>>;

  // --- workers
  /** A worker lives; gone when not heard for `leaseMs`. */
  beat(worker: WorkerRecord, leaseMs: number): Promise<void>;
  workers(): Promise<readonly WorkerRecord[]>;
  /** A worker leaves in order; what it holds is not ready any more. */
  leave(workerId: string): Promise<void>;
  /** A coordinator says whether a worker may join, to be read for `keepMs`; the newest word counts. */
  judge(workerId: string, verdict: Verdict, keepMs: number): Promise<void>;
  /** The newest word on a worker; null where there is none yet, or none any more. */
  verdict(workerId: string): Promise<Verdict | null>;

  // --- wakes: hints that something changed; may be lost or repeated
  wake(topic: string): Promise<void>;
  /** Calls `listener` on each wake of the topic until the returned function is called. */
  onWake(topic: string, listener: () => void): () => void;

  close(): Promise<void>;
}
