import type { Clock, Timer } from './clock.js';

/** A timer this late says that our own event loop was held, not that the peer was silent. */
const LATE_MS = 250;

/**
 * Calls `expire` once `ms` have passed without a `feed`. Feeding costs one read of the clock, so that it can be done
 * for every frame. Time in which this process's own event loop was held does not count: what arrived meanwhile is
 * still to be read.
 */
export class Watchdog {
  #fedAt: number;
  #timer: Timer | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly ms: number,
    private readonly expire: () => void,
  ) {
    this.#fedAt = clock.now();
    this.#arm(ms);
  }

  feed(): void {
    this.#fedAt = this.clock.now();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(ms: number): void {
    const due = this.clock.now() + ms;
    this.#timer = this.clock.timer(ms, () => {
      this.#timer = null;
      const now = this.clock.now();
      if (now - due > LATE_MS) this.#fedAt = now;
      const left = this.#fedAt + this.ms - now;
      // Rounding of real timers: one that fires a fraction early must not spin.
      if (left > 0.5) this.#arm(left);
      else this.expire();
    });
  }
}
