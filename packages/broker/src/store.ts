import type {
  AttachmentRecord,
  ChunkName,
  ChunkState,
  OutstandingRecord,
  ReadyRecord,
  RunRecord,
  WorkerRecord,
} from './records.js';

/**
 * What coordinators and workers know in common. No record needs to be exact, only eventually true: a
 * chunk can always be made again with the same bytes. Each method is atomic (one script in Redis).
 * Records expire: attachments by their lease, workers by their beat, runs and their chunks when idle.
 */
export interface Store {
  // --- runs and manifests
  /** Opens the run, or returns the one open under that name, whatever its digest. */
  openRun(run: RunRecord): Promise<{ readonly run: RunRecord; readonly created: boolean }>;
  runByName(name: string): Promise<RunRecord | null>;
  runByDigest(digest: string): Promise<RunRecord | null>;
  runs(): Promise<readonly RunRecord[]>;
  /** Ends a run: its attachments, chunks and record are forgotten. */
  closeRun(name: string): Promise<void>;
  putManifest(digest: string, bytes: Uint8Array): Promise<void>;
  manifest(digest: string): Promise<Uint8Array | null>;

  // --- attachments
  /**
   * Attaches a rank. Refused where another process holds the rank, unless `takeover`; the newest wins and
   * gets a larger fencing number.
   */
  attach(
    attachment: Omit<AttachmentRecord, 'fencing'>,
    leaseMs: number,
    takeover: boolean,
  ): Promise<
    | { readonly ok: true; readonly fencing: number }
    | { readonly ok: false; readonly holder: AttachmentRecord }
  >;
  /** Renews the lease with new cursors; false when a newer attachment took the rank. */
  renew(attachment: AttachmentRecord, leaseMs: number): Promise<boolean>;
  /** Ends the attachment if it is still this one; its cursor is kept as a convenience. */
  detach(attachment: AttachmentRecord): Promise<void>;
  attachments(runDigest: string): Promise<readonly AttachmentRecord[]>;
  /** Where a consumer's rank was when it last attached; the trainer's own state is the truth. */
  cursor(runDigest: string, consumer: string, rank: number): Promise<number | null>;

  // --- chunks
  /**
   * Claims a chunk that is neither ready, outstanding nor failed, unless the run has `share` chunks waiting
   * in the queue already. The attempt comes from a counter per chunk that never goes back.
   */
  claim(
    runDigest: string,
    chunk: ChunkName,
    share: number,
  ): Promise<{ readonly claimed: OutstandingRecord } | { readonly refused: 'share' } | ChunkState>;
  /** A worker begins an attempt; false: ready, failed, unclaimed or superseded by now, so skip it. */
  begin(runDigest: string, chunk: ChunkName, attempt: number, workerId: string): Promise<boolean>;
  /**
   * A worker made the chunk. The first completion wins; false: another was first (or the chunk is not
   * outstanding any more), so drop the copy.
   */
  publish(runDigest: string, ready: ReadyRecord): Promise<boolean>;
  /** Forgets a ready record if it is still of that worker and attempt; true if it was. */
  retract(runDigest: string, chunk: ChunkName, workerId: string, attempt: number): Promise<boolean>;
  /**
   * An attempt ended without a chunk. `failure` and `death` count; `abandoned` (drained, unwanted) does not.
   * The chunk is then neither outstanding nor ready, and may be claimed again; its counts stay.
   */
  release(
    runDigest: string,
    chunk: ChunkName,
    attempt: number,
    why: 'failure' | 'death' | 'abandoned',
  ): Promise<{ readonly failures: number; readonly deaths: number }>;
  /** Marks a chunk as failed for good. */
  failChunk(runDigest: string, chunk: ChunkName, errorJson: string): Promise<void>;
  /** The states of chunks, in the order asked. */
  chunkStates(runDigest: string, chunks: readonly ChunkName[]): Promise<readonly ChunkState[]>;
  /** All outstanding chunks of a run: for what nobody wants any more. */
  outstanding(runDigest: string): Promise<readonly OutstandingRecord[]>;

  // --- workers
  /** A worker lives; gone when not heard for `leaseMs`. */
  beat(worker: WorkerRecord, leaseMs: number): Promise<void>;
  workers(): Promise<readonly WorkerRecord[]>;
  /** A worker leaves in order. */
  leave(workerId: string): Promise<void>;

  // --- wakes: hints that something changed; may be lost or repeated
  wake(topic: string): Promise<void>;
  /** Calls `listener` on each wake of the topic until the returned function is called. */
  onWake(topic: string, listener: () => void): () => void;

  close(): Promise<void>;
}
