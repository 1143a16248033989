import type { Clock, Timer } from '@cropstream/runtime';
import type { World } from './world.js';

/**
 * One process of the fleet. All that reaches its code (timers, answers, messages) comes in by `enter`: a paused part
 * takes it later, in order; a crashed one never. What a part sends checks `alive` at the door.
 */
export class Part {
  readonly clock: Clock;
  #alive = true;
  #paused = false;
  #draining = false;
  #backlog: (() => void)[] = [];
  readonly #onCrash: (() => void)[] = [];
  readonly #onFrozen: (() => void)[] = [];

  constructor(
    readonly name: string,
    readonly world: World,
  ) {
    const { clock, chance } = world;
    // Each machine counts from its own origin, and its wall clock is a little off.
    const origin = chance.scenario.integer(0, 1_000_000);
    const skew = chance.scenario.integer(-2_000, 2_000);
    this.clock = {
      now: () => clock.now() + origin,
      wall: () => clock.wall() + skew,
      timer: (ms, run) => this.#timer(ms, run),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get running(): boolean {
    return this.#alive && !this.#paused;
  }

  /** Runs code of this part: now, after a pause, or never. */
  enter(run: () => void): void {
    if (!this.#alive) return;
    if (this.#paused || this.#draining) this.#backlog.push(run);
    else run();
  }

  /** SIGSTOP, and SIGCONT `ms` later. */
  pause(ms: number): void {
    if (!this.running) return;
    this.#paused = true;
    this.world.log?.(`${this.name} is paused for ${Math.round(ms)} ms`);
    const { clock, scenario } = this.world;
    if (ms > scenario.keepAliveMs) {
      clock.timer(scenario.keepAliveMs, () => {
        for (const frozen of this.#onFrozen) frozen();
      });
    }
    clock.timer(ms, () => {
      this.#paused = false;
      if (!this.#alive) return;
      this.world.log?.(`${this.name} goes on`);
      this.#drain();
    });
  }

  /** SIGKILL, between any two calls. */
  crash(why: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#backlog = [];
    this.world.log?.(`${this.name} crashes ${why}`);
    for (const crashed of this.#onCrash.splice(0)) crashed();
  }

  /** `run` is called where the crash is seen: not by the part itself. */
  onCrash(run: () => void): void {
    if (this.#alive) this.#onCrash.push(run);
    else run();
  }

  /** Called when the part has been silent for as long as its peers' keepalive allows. */
  onFrozen(run: () => void): void {
    this.#onFrozen.push(run);
  }

  #timer(ms: number, run: () => void): Timer {
    let cancelled = false;
    const timer = this.world.clock.timer(ms, () =>
      this.enter(() => {
        if (!cancelled) run();
      }),
    );
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  /** One thing a turn, as an event loop does: promises settle between. */
  #drain(): void {
    this.#draining = this.#backlog.length > 0;
    if (!this.#draining) return;
    this.world.clock.timer(0, () => {
      // Paused again: it goes on when that pause ends.
      if (!this.running) return;
      this.#backlog.shift()?.();
      this.#drain();
    });
  }
}
