const MIB = 1024 * 1024;

/** A worker's limits and rhythms, in one place; docs/worker.md says when to change what. */
export interface WorkerLimits {
  /** Bytes of chunks held, being made and reserved for. */
  readonly outboxBytes: number;
  /** Chunks being made at once: one more than what keeps the threads busy while another ends. */
  readonly jobs: number;
  /** Runs whose spec, manifest and reader are kept open. */
  readonly runs: number;
  /** Failures of a chunk, by any worker, after which it is failed for good. */
  readonly maxAttempts: number;
  /** Between beats. */
  readonly beatMs: number;
  /** A worker not heard for so long is gone. It takes no jobs either while its own beats fail for so long. */
  readonly leaseMs: number;
  /** The longest wait for a job before the queue is asked again; closing may take so long. */
  readonly takeMs: number;
  /** A chunk that no attachment wants for so long is dropped: attachments are renewed a little late. */
  readonly unwantedMs: number;
  /**
   * A chunk that nobody fetched for so long may go when room is needed: trainers fetch at once what they are told of, so
   * its trainer hangs, or has it from elsewhere.
   */
  readonly unfetchedMs: number;
  /** A finished chunk whose ready record cannot be written for so long is dropped. */
  readonly publishMs: number;
  /** FetchChunk streams at once. */
  readonly maxStreams: number;
  /** A stream whose reader takes nothing for so long is ended. */
  readonly stalledMs: number;
  /** A stream is ended after so long, however it goes. */
  readonly streamMs: number;
}

export const DEFAULT_WORKER_LIMITS: WorkerLimits = {
  outboxBytes: 1024 * MIB,
  jobs: 2,
  runs: 8,
  maxAttempts: 3,
  beatMs: 500,
  leaseMs: 1_500,
  takeMs: 250,
  unwantedMs: 1_500,
  unfetchedMs: 5_000,
  publishMs: 10_000,
  maxStreams: 256,
  stalledMs: 30_000,
  streamMs: 300_000,
};
