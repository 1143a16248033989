import type { AttachmentRecord, RunKey, WorkerRecord } from '@cropstream/broker';

/** What a sample costs is remembered over so many seconds of workers' time: half of it counts after as long again. */
const MEMORY_SECONDS = 60;
/** A fleet that nobody draws from keeps so many: without one, no coordinator is ready for the first trainer. */
const FLOOR = 1;

/** Samples of a run, and the seconds that workers were at them. */
interface Work {
  samples: number;
  busySeconds: number;
}

const none = (): Work => ({ samples: 0, busySeconds: 0 });

/**
 * How many workers the attached trainers ask for: what each would take if it never waited, divided by what one worker makes
 * of its run in a second. Demand, not delivery: a starved trainer consumes just what is made, and so would ask for nothing
 * more. A worker here is a process, whatever its cells, since that is what is started.
 */
export class Workload {
  /** By run key. */
  #costs = new Map<string, Work>();
  /** What each worker's counters were at the last look. */
  #seen: ReadonlyMap<string, WorkerRecord['made']['runs']> = new Map();
  #cells = 1;

  /** Learns what samples cost from the workers that live; runs that are not `open` are forgotten. */
  observe(workers: readonly WorkerRecord[], open: ReadonlySet<string>): void {
    const fresh = new Map<string, Work>();
    for (const { id, made } of workers) {
      for (const [key, { samples, busySeconds }] of Object.entries(made.runs)) {
        const before = this.#seen.get(id)?.[key];
        // A run that left a worker's record and came back was counted anew.
        const since = before && before.busySeconds <= busySeconds ? before : none();
        const sum = fresh.get(key) ?? none();
        fresh.set(key, sum);
        sum.samples += samples - since.samples;
        sum.busySeconds += busySeconds - since.busySeconds;
      }
    }
    this.#seen = new Map(workers.map(({ id, made }) => [id, made.runs]));
    for (const key of this.#costs.keys()) if (!open.has(key)) this.#costs.delete(key);
    for (const [key, work] of fresh) {
      if (open.has(key)) this.#costs.set(key, blend(this.#costs.get(key) ?? none(), work));
    }
    const processes = new Set(workers.map((worker) => worker.process)).size;
    if (processes > 0) this.#cells = workers.length / processes;
  }

  /** Not rounded: the autoscaler's own tolerance keeps it from starting and stopping a worker at every whole number. */
  desired(attachments: Iterable<AttachmentRecord>): number {
    let cells = 0;
    for (const { runKey, demand } of attachments) cells += (demand ?? 0) * this.#secondsOf(runKey);
    return Math.max(FLOOR, cells / this.#cells);
  }

  /** Of one sample; of a run that nobody has made yet, those of the others. */
  #secondsOf(key: RunKey): number {
    return cost(this.#costs.get(key) ?? none()) ?? cost(total(this.#costs.values())) ?? 0;
  }
}

function cost({ samples, busySeconds }: Work): number | null {
  return samples > 0 ? busySeconds / samples : null;
}

function total(works: Iterable<Work>): Work {
  const sum = none();
  for (const { samples, busySeconds } of works) {
    sum.samples += samples;
    sum.busySeconds += busySeconds;
  }
  return sum;
}

/** What is known, faded by the time that the new work took, and the new. */
function blend(known: Work, work: Work): Work {
  const kept = 0.5 ** (work.busySeconds / MEMORY_SECONDS);
  // A worker that was never looked at tells of its whole life.
  const weight = Math.min(1, MEMORY_SECONDS / Math.max(work.busySeconds, Number.MIN_VALUE));
  return {
    samples: kept * known.samples + weight * work.samples,
    busySeconds: kept * known.busySeconds + weight * work.busySeconds,
  };
}
