import type { Clock } from '@cropstream/runtime';
import type { ChunkName, ChunkState, FailedRecord, OutstandingRecord, ReadyRecord } from '../records.js';
import { Attempts } from './attempts.js';

/**
 * How long a chunk's failure, and the counts of a chunk that nobody claims again, are remembered: long enough that
 * every attachment is told, short enough that a trainer that is started again after the fault was mended gets
 * another try. Under Redis these are the records' expiry.
 */
const FORGET_MS = 60_000;

interface Counts {
  readonly failures: number;
  readonly deaths: number;
}

const NO_COUNTS: Counts = { failures: 0, deaths: 0 };

/**
 * The chunks of one run: what is outstanding, ready, failed. Holds a record only for chunks that are one of these or
 * have failed lately, so that it stays small however long the run.
 */
export class ChunkTable {
  readonly #outstanding = new Map<ChunkName, OutstandingRecord>();
  readonly #ready = new Map<ChunkName, ReadyRecord>();
  readonly #failed = new Map<ChunkName, { readonly record: FailedRecord; readonly forgetAt: number }>();
  /** Of chunks that are in none of the above. */
  readonly #counts = new Map<ChunkName, Counts & { readonly forgetAt: number }>();
  readonly #attempts = new Attempts();
  /** Outstanding and not taken. */
  #waiting = 0;
  #claims = 0;
  #hedges = 0;

  constructor(
    private readonly clock: Clock,
    private readonly isAlive: (workerId: string) => boolean,
  ) {}

  /** Drops what has expired, and what gone workers held. */
  sweep(): void {
    const now = this.clock.now();
    for (const [chunk, { workerId }] of this.#ready) if (!this.isAlive(workerId)) this.#ready.delete(chunk);
    for (const [chunk, { forgetAt }] of this.#failed) if (forgetAt <= now) this.#failed.delete(chunk);
    for (const [chunk, { forgetAt }] of this.#counts) if (forgetAt <= now) this.#counts.delete(chunk);
  }

  state(chunk: ChunkName): ChunkState {
    const ready = this.#ready.get(chunk);
    if (ready !== undefined) {
      if (this.isAlive(ready.workerId)) return { state: 'ready', ready };
      this.#ready.delete(chunk);
    }
    const outstanding = this.#outstanding.get(chunk);
    if (outstanding !== undefined) return { state: 'outstanding', outstanding };
    const failed = this.#failed.get(chunk);
    if (failed !== undefined) {
      if (failed.forgetAt > this.clock.now()) return { state: 'failed', failed: failed.record };
      this.#failed.delete(chunk);
    }
    return { state: 'none' };
  }

  outstanding(): OutstandingRecord[] {
    return [...this.#outstanding.values()];
  }

  claim(
    chunk: ChunkName,
    share: number,
  ): { readonly claimed: OutstandingRecord } | { readonly refused: 'share' } | ChunkState {
    const state = this.state(chunk);
    if (state.state !== 'none') return state;
    if (this.#waiting >= share) return { refused: 'share' };
    const { failures, deaths } = this.#countsOf(chunk);
    this.#counts.delete(chunk);
    const claimed: OutstandingRecord = {
      chunk,
      attempt: this.#attempts.next(chunk),
      claimedAt: this.clock.wall(),
      takenBy: null,
      takenAt: null,
      failures,
      deaths,
      hedge: null,
    };
    this.#outstanding.set(chunk, claimed);
    this.#waiting++;
    this.#claims++;
    return { claimed };
  }

  hedge(chunk: ChunkName, attempt: number, percent: number): number | null {
    const outstanding = this.#outstanding.get(chunk);
    if (outstanding?.attempt !== attempt || outstanding.takenBy === null || outstanding.hedge) return null;
    if (100 * this.#hedges > percent * this.#claims) return null;
    this.#hedges++;
    const hedge = { attempt: this.#attempts.next(chunk), takenBy: null };
    this.#outstanding.set(chunk, { ...outstanding, hedge });
    return hedge.attempt;
  }

  begin(chunk: ChunkName, attempt: number, workerId: string): boolean {
    const outstanding = this.#outstanding.get(chunk);
    if (outstanding?.hedge?.attempt === attempt) {
      const { hedge } = outstanding;
      if (hedge.takenBy !== null || outstanding.takenBy === workerId) return hedge.takenBy === workerId;
      this.#outstanding.set(chunk, { ...outstanding, hedge: { attempt, takenBy: workerId } });
      return true;
    }
    if (outstanding?.attempt !== attempt) return false;
    // Taken by another: it makes it, or it died and the coordinator is about to count that. Neither wants a second.
    if (outstanding.takenBy !== null) return outstanding.takenBy === workerId;
    this.#outstanding.set(chunk, { ...outstanding, takenBy: workerId, takenAt: this.clock.wall() });
    this.#waiting--;
    return true;
  }

  publish(ready: ReadyRecord): boolean {
    // Whichever attempt comes first: all of them have the same bytes.
    if (!this.#endAttempt(ready.chunk)) return false;
    this.#ready.set(ready.chunk, ready);
    return true;
  }

  retract(chunk: ChunkName, workerId: string, attempt: number): boolean {
    const ready = this.#ready.get(chunk);
    if (ready?.workerId !== workerId || ready.attempt !== attempt) return false;
    this.#ready.delete(chunk);
    return true;
  }

  release(chunk: ChunkName, attempt: number, why: 'failure' | 'death' | 'abandoned'): Counts {
    const outstanding = this.#outstanding.get(chunk);
    if (outstanding?.hedge?.attempt === attempt)
      this.#outstanding.set(chunk, { ...outstanding, hedge: null });
    if (outstanding?.attempt !== attempt) return this.#countsOf(chunk);
    const counts = {
      failures: outstanding.failures + (why === 'failure' ? 1 : 0),
      deaths: outstanding.deaths + (why === 'death' ? 1 : 0),
    };
    this.#endAttempt(chunk);
    const { hedge } = outstanding;
    if (hedge) {
      const takenAt = hedge.takenBy === null ? null : this.clock.wall();
      this.#outstanding.set(chunk, { ...outstanding, ...counts, ...hedge, takenAt, hedge: null });
      if (hedge.takenBy === null) this.#waiting++;
    } else if (counts.failures + counts.deaths > 0) {
      this.#counts.set(chunk, { ...counts, forgetAt: this.clock.now() + FORGET_MS });
    }
    return counts;
  }

  /** False: it was made after all, by another attempt. */
  fail(chunk: ChunkName, errorJson: string): boolean {
    if (this.state(chunk).state === 'ready') return false;
    this.#endAttempt(chunk);
    this.#counts.delete(chunk);
    this.#failed.set(chunk, { record: { chunk, errorJson }, forgetAt: this.clock.now() + FORGET_MS });
    return true;
  }

  #countsOf(chunk: ChunkName): Counts {
    const kept = this.#counts.get(chunk);
    const remembered = kept !== undefined && kept.forgetAt > this.clock.now() ? kept : NO_COUNTS;
    const { failures, deaths } = this.#outstanding.get(chunk) ?? remembered;
    return { failures, deaths };
  }

  #endAttempt(chunk: ChunkName): boolean {
    const outstanding = this.#outstanding.get(chunk);
    if (outstanding === undefined) return false;
    this.#outstanding.delete(chunk);
    if (outstanding.takenBy === null) this.#waiting--;
    return true;
  }
}
