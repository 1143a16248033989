import type { ChunkJob } from './records.js';

/**
 * The queue of chunk jobs. At least once: a job may be handed out again when its taker is gone.
 * Nothing leans on the queue's order or on its memory: a job that is lost is added again by the
 * coordinator's reconcile loop under the same id.
 */
export interface Broker {
  /** Adds jobs; a job whose id is waiting or active already is left as it is. Jobs with `urgent` go first. */
  add(queue: string, jobs: readonly ChunkJob[]): Promise<void>;
  /**
   * The next job, or null once `waitMs` has passed without one, or when the broker closes. A job whose taker is gone
   * goes to another worker: in one process when it was not finished in time (and to the same worker only when no other
   * took it for as long again), in a fleet when the taker's process has not been heard for a while.
   *
   * @param prefers affinities: the first of their jobs goes ahead, if it is among the next LOOK_AHEAD; the job that is next is
   *   passed over MAX_PASSED times at most. @default none
   */
  take(
    queue: string,
    worker: string,
    waitMs: number,
    prefers?: ReadonlySet<number>,
  ): Promise<ChunkJob | null>;
  /** Ends a taken job, done or failed; it is forgotten in either case. */
  finish(queue: string, jobId: string, worker: string): Promise<void>;
  /** Takes waiting jobs out again; active ones run on. */
  remove(queue: string, jobIds: readonly string[]): Promise<void>;
  counts(queue: string): Promise<QueueCounts>;
  /** Ends the waiting `take`s; further calls of `add` and `take` throw SHUTTING_DOWN. */
  close(): Promise<void>;
}

/** Waiting jobs that a taker chooses from. */
export const LOOK_AHEAD = 16;
/** How often the next job is passed over for one that its taker prefers. */
export const MAX_PASSED = 8;

export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
}
