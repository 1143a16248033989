import type { Clock, Timer } from './clock.js';

interface Entry {
  readonly due: number;
  readonly run: () => void;
}

/** Lets every promise that can settle do so: a turn of the event loop ends only once no microtask is left. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * A clock that stands still until it is told to move: for tests and simulations. Timers run in the order of
 * their time, those of one time in the order they were set, with promises settled between any two.
 */
export class VirtualClock implements Clock {
  #now = 0;
  /** By due time, then by age. */
  readonly #timers: Entry[] = [];
  readonly #epoch: number;

  /** @param epoch wall time at the start, milliseconds since 1970 */
  constructor(epoch: number = Date.UTC(2026, 0, 1)) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#epoch + this.#now;
  }

  timer(ms: number, run: () => void): Timer {
    const entry: Entry = { due: this.#now + Math.max(0, ms), run };
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1] as Entry).due > entry.due) at--;
    this.#timers.splice(at, 0, entry);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(entry);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves time by `ms`, running the timers that come due on the way, those they set included. */
  async advance(ms: number): Promise<void> {
    await this.#advanceTo(this.#now + ms, () => false);
  }

  /**
   * Moves time from timer to timer until `condition` holds. Throws an Error when it does not hold within
   * `limitMs` of virtual time.
   */
  async runUntil(condition: () => boolean, limitMs: number): Promise<void> {
    await this.#advanceTo(this.#now + limitMs, condition);
    if (!condition()) throw new Error(`the condition did not hold within ${limitMs} ms of virtual time`);
  }

  async #advanceTo(end: number, enough: () => boolean): Promise<void> {
    await settle();
    while (!enough()) {
      const next = this.#timers[0];
      if (next === undefined || next.due > end) {
        this.#now = end;
        return;
      }
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.due);
      next.run();
      await settle();
    }
  }
}
