import type { Clock } from '@cropstream/runtime';

/**
 * - `auto`: from workers directly, through the coordinator from those that cannot be reached
 * - `always`: all through the coordinator
 * - `never`: all from workers directly
 */
export type RelayMode = 'auto' | 'always' | 'never';

/** From the worker directly, or through the coordinator. */
export type Route = 'direct' | 'relay';

/** A worker whose chunks come through the coordinator is dialled again after so long, each time twice as long. */
const REDIAL = { firstMs: 10_000, maxMs: 15 * 60_000 };
/** Addresses remembered: where pods come and go, those of long ago are forgotten. */
const MAX_ADDRESSES = 1024;

type Known =
  | { readonly reached: true }
  | { readonly reached: false; readonly redialAt: number; readonly waitMs: number };

/** By which way the worker at each address is to be had. */
export class Routes {
  readonly #known = new Map<string, Known>();
  #told = false;

  constructor(
    readonly mode: RelayMode,
    private readonly clock: Clock,
    /** Called once, when the first worker is found out of reach. */
    private readonly relaying: (problem: string) => void,
  ) {}

  /** Where to begin a fetch. */
  of(address: string): Route {
    if (this.mode !== 'auto') return this.mode === 'always' ? 'relay' : 'direct';
    const known = this.#known.get(address);
    if (known === undefined || known.reached) return 'direct';
    const now = this.clock.now();
    if (now < known.redialAt) return 'relay';
    // This fetch alone tries: where packets are dropped without an answer, a dial takes a second.
    const waitMs = Math.min(2 * known.waitMs, REDIAL.maxMs);
    this.#remember(address, { reached: false, redialAt: now + waitMs, waitMs });
    return 'direct';
  }

  /**
   * Whether a fetch that found no way to an address is to be tried through the coordinator, who can tell a worker that is
   * gone from one that cannot be reached from here. A worker that was reached before is gone more likely than not: its
   * chunk is reported first, and `again` says that it was.
   */
  mayRelay(address: string, again: boolean): boolean {
    if (this.mode !== 'auto') return false;
    return again || this.#known.get(address)?.reached !== true;
  }

  /** Bytes came from the address. */
  reached(address: string): void {
    if (this.#known.get(address)?.reached !== true) this.#remember(address, { reached: true });
  }

  /** Bytes came through the coordinator from a worker that was dialled in vain. */
  unreachable(address: string, problem: string): void {
    const known = this.#known.get(address);
    if (known?.reached !== false) {
      const redialAt = this.clock.now() + REDIAL.firstMs;
      this.#remember(address, { reached: false, redialAt, waitMs: REDIAL.firstMs });
    }
    if (this.#told) return;
    this.#told = true;
    this.relaying(problem);
  }

  #remember(address: string, known: Known): void {
    this.#known.delete(address);
    this.#known.set(address, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_ADDRESSES && oldest !== undefined) this.#known.delete(oldest);
  }
}
