import type { Worker } from '@cropstream/api';

/** What a fleet makes, from the difference of its workers' counters. */
export interface Rates {
  /** Images a second of all workers. */
  readonly total: number;
  readonly byWorker: ReadonlyMap<string, WorkerRate>;
  /** Images a second by run digest: runs of one digest share their chunks. */
  readonly byDigest: ReadonlyMap<string, number>;
}

export interface WorkerRate {
  readonly images: number;
  /** Share of its compute threads that was at work. */
  readonly busy: number;
}

interface Snapshot {
  /** Seconds since 1970. */
  readonly at: number;
  readonly workers: readonly Worker[];
}

/** Rates are taken over so many seconds: chunks come in lumps of 64 images. */
const OVER_SECONDS = 5;

/** Turns snapshots of counters into rates. A worker counts from its second snapshot on. */
export class RateMeter {
  #kept: Snapshot[] = [];

  /** @param at seconds since 1970; not before the last snapshot's */
  add(at: number, workers: readonly Worker[]): void {
    if (at <= (this.#kept.at(-1)?.at ?? Number.NEGATIVE_INFINITY)) return;
    this.#kept.push({ at, workers });
    while (this.#kept.length > 2 && this.#kept[1]!.at <= at - OVER_SECONDS) this.#kept.shift();
  }

  /** After a gap: counters of before say nothing about now. */
  clear(): void {
    this.#kept = [];
  }

  /** Null before the second snapshot. */
  rates(): Rates | null {
    const now = this.#kept.at(-1);
    if (now === undefined || this.#kept.length < 2) return null;
    const byWorker = new Map<string, WorkerRate>();
    const byDigest = new Map<string, number>();
    let total = 0;
    for (const worker of now.workers) {
      const since = this.#firstOf(worker.id, now);
      if (since === null) {
        byWorker.set(worker.id, { images: 0, busy: 0 });
        continue;
      }
      const { before, seconds } = since;
      const images = Math.max(0, worker.samples_total - before.samples_total) / seconds;
      const busySeconds = Math.max(0, worker.busy_seconds_total - before.busy_seconds_total);
      byWorker.set(worker.id, { images, busy: Math.min(1, busySeconds / (seconds * worker.slots)) });
      total += images;
      for (const { run_digest, samples_total } of worker.runs) {
        const was = before.runs.find((run) => run.run_digest === run_digest)?.samples_total ?? 0;
        const rate = Math.max(0, samples_total - was) / seconds;
        byDigest.set(run_digest, (byDigest.get(run_digest) ?? 0) + rate);
      }
    }
    return { total, byWorker, byDigest };
  }

  #firstOf(id: string, now: Snapshot): { readonly before: Worker; readonly seconds: number } | null {
    for (const { at, workers } of this.#kept) {
      if (at === now.at) return null;
      const before = workers.find((worker) => worker.id === id);
      if (before !== undefined) return { before, seconds: now.at - at };
    }
    return null;
  }
}
