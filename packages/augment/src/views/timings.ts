/** The stages of making a sample's views. */
export type Stage = 'decode' | 'resize' | 'color' | 'blur' | 'pack';

/** Milliseconds spent in each stage, summed over what it was handed to. */
export class StageTimings implements Record<Stage, number> {
  decode = 0;
  resize = 0;
  color = 0;
  blur = 0;
  pack = 0;

  /** Runs `work` and books its time to `stage`. */
  measure<T>(stage: Stage, work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this[stage] += performance.now() - start;
    }
  }

  get total(): number {
    return this.decode + this.resize + this.color + this.blur + this.pack;
  }
}
