/** When something was at work: from its first beginning to its last end, in milliseconds of this thread's `performance.now()`. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** When a chunk's samples were read and when its images were computed: the two overlap. Null: not at all. */
export interface Timeline {
  readonly read: Interval | null;
  readonly compute: Interval | null;
}

/** Collects a chunk's timeline from its samples. */
export class TimelineRecorder implements Timeline {
  read: Interval | null = null;
  compute: Interval | null = null;

  async during<T>(what: keyof Timeline, work: Promise<T>): Promise<T> {
    const from = performance.now();
    try {
      return await work;
    } finally {
      const known = this[what];
      const to = performance.now();
      this[what] = { from: known === null ? from : Math.min(known.from, from), to };
    }
  }
}
