import type { Clock } from '@cropstream/runtime';

/** Tells what has been unwanted without a break for a while. */
export class Patience {
  #since = new Map<string, number>();

  constructor(
    private readonly ms: number,
    private readonly clock: Clock,
  ) {}

  /** Of everything there is now, what was unwanted in every look of the last `ms`; the rest is forgotten. */
  exhausted<T>(things: readonly T[], keyOf: (thing: T) => string, isWanted: (thing: T) => boolean): T[] {
    const now = this.clock.now();
    const since = new Map<string, number>();
    const exhausted = things.filter((thing) => {
      if (isWanted(thing)) return false;
      const key = keyOf(thing);
      const start = this.#since.get(key) ?? now;
      since.set(key, start);
      return now - start >= this.ms;
    });
    this.#since = since;
    return exhausted;
  }
}
