import { type Broker, MemoryBroker, MemoryStore, type RunKey, type Store } from '@cropstream/broker';
import { DEFAULT_LIMITS } from '@cropstream/coordinator';
import { failure } from '@cropstream/errors';
import type { Clock } from '@cropstream/runtime';
import type { World } from './world.js';

type Method = Exclude<keyof Store, 'onWake' | 'wake' | 'close'>;
type Arguments<M extends Method> = Parameters<Store[M]>;
type Attached = Awaited<ReturnType<Store['attach']>>;

/** Methods that write nothing: all others are in the log that a restart replays. */
const READS: ReadonlySet<string> = new Set<Method>([
  'runByName',
  'runByKey',
  'runs',
  'manifest',
  'attachments',
  'cursor',
  'chunkStates',
  'outstanding',
  'workers',
]);

interface Write {
  readonly at: number;
  readonly wall: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

/** How often a run was closed, and how many chunks of it were claimed and hedged, the same ones again included. */
interface Tally {
  closed: number;
  claims: number;
  hedges: number;
  /** Of these, those since a run was closed last. */
  sinceClosed: { claims: number; hedges: number };
}

/**
 * What Redis is to a fleet, from the memory adapters: can be away for a while, and can come back without its last
 * writes, which is done by replaying the others into a new store. Its time stands still while it is away, so that
 * nobody is declared gone for the server's own absence.
 */
export class Server {
  broker: Broker;
  #store: MemoryStore;
  #writes: Write[] = [];
  /** The newest fencing number that was ever given, by rank: a restart takes none of them back. */
  readonly #fencing = new Map<string, number>();
  /** By run key, as of the writes. */
  readonly #tallies = new Map<string, Tally>();
  #down = false;
  /** World time less server time. */
  #lag = 0;
  #replaying: Write | null = null;
  readonly #clock: Clock;
  readonly #interrupted = new Set<() => void>();

  constructor(private readonly world: World) {
    this.#clock = {
      now: () => this.#replaying?.at ?? world.clock.now() - this.#lag,
      wall: () => this.#replaying?.wall ?? world.clock.wall(),
      timer: (ms, run) => world.clock.timer(ms, run),
    };
    this.#store = new MemoryStore({ clock: this.#clock });
    this.broker = this.#newBroker();
  }

  get isDown(): boolean {
    return this.#down;
  }

  /** The store as it is now, for checks. */
  get store(): Store {
    return this.#store;
  }

  /** Whether another chunk of the run may be hedged. */
  affordsHedge(key: RunKey): boolean {
    const tally = this.#tally(key);
    // Whether closing a run has forgotten its claims depends on the run's other names.
    return [tally, tally.sinceClosed].every(
      ({ claims, hedges }) => 100 * hedges <= DEFAULT_LIMITS.hedgePercent * claims,
    );
  }

  run<M extends Method>(method: M, args: Arguments<M>): Promise<unknown> {
    if (!READS.has(method))
      this.#writes.push({ at: this.#clock.now(), wall: this.#clock.wall(), method, args });
    return this.#apply(method, args);
  }

  /** Rejects `call` when the server goes away before it has answered. */
  whileUp<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const interrupt = () => reject(unreachable());
      this.#interrupted.add(interrupt);
      const done = () => this.#interrupted.delete(interrupt);
      call.then(
        (value) => {
          done();
          resolve(value);
        },
        (error) => {
          done();
          reject(error);
        },
      );
    });
  }

  /** Goes away for `ms`, and comes back without the writes of its last `lostMs`. */
  outage(ms: number, lostMs: number, losesJobs: boolean): void {
    if (this.#down) return;
    const { clock, log, counts } = this.world;
    counts.outages++;
    log?.(
      `the server is away for ${Math.round(ms)} ms, loses ${Math.round(lostMs)} ms of writes${losesJobs ? ' and all jobs' : ''}`,
    );
    this.#down = true;
    const wentAt = this.#clock.now();
    for (const interrupt of [...this.#interrupted]) interrupt();
    clock.timer(ms, () => {
      this.#down = false;
      const at = wentAt - lostMs;
      if (lostMs > 0) this.#replay(at);
      if (losesJobs) {
        void this.broker.close();
        this.broker = this.#newBroker();
      }
      this.#lag = clock.now() - at;
      log?.('the server is back');
    });
  }

  #replay(until: number): void {
    const kept = this.#writes.filter(({ at }) => at <= until);
    this.#writes = [];
    this.#tallies.clear();
    this.#store = new MemoryStore({ clock: this.#clock });
    // What is replayed is counted again, as the store itself does.
    this.#tallies.clear();
    for (const write of kept) {
      this.#replaying = write;
      // What failed then fails again.
      this.#apply(write.method, write.args as Arguments<Method>).catch(() => {});
    }
    this.#replaying = null;
    this.#writes = kept;
  }

  #apply<M extends Method>(method: M, args: Arguments<M>): Promise<unknown> {
    // Runs are lost here, never closed by an operator.
    if (method === 'wasClosed') return Promise.resolve(false);
    const call = this.#store[method] as (...args: Arguments<M>) => Promise<unknown>;
    const result = call.apply(this.#store, args);
    const replayed = this.#replaying !== null;
    result.then(
      (value) => {
        this.#count(method, args[0] as string, value);
        if (method === 'attach' && !replayed)
          this.#checkFencing(args as Arguments<'attach'>, value as Attached);
      },
      () => {},
    );
    return result;
  }

  #checkFencing([{ runName, consumer, rank }]: Arguments<'attach'>, attached: Attached): void {
    if (!attached.ok) return;
    const key = `${runName} ${consumer} ${rank}`;
    const newest = this.#fencing.get(key) ?? 0;
    if (attached.fencing <= newest) {
      this.world.violation(`rank ${key} got fencing number ${attached.fencing} after ${newest}`);
    }
    this.#fencing.set(key, attached.fencing);
  }

  #tally(key: RunKey): Tally {
    const tally = this.#tallies.get(key) ?? {
      closed: 0,
      claims: 0,
      hedges: 0,
      sinceClosed: { claims: 0, hedges: 0 },
    };
    this.#tallies.set(key, tally);
    return tally;
  }

  /** A run has one hedge more than its share of the claims, and another one each time that all of it is forgotten. */
  #count(method: Method, name: string, result: unknown): void {
    if (method === 'closeRun') {
      for (const tally of this.#tallies.values()) {
        tally.closed++;
        tally.sinceClosed = { claims: 0, hedges: 0 };
      }
    }
    if (method !== 'claim' && method !== 'hedge') return;
    const tally = this.#tally(name);
    if (method === 'claim' && (result as object) && 'claimed' in (result as object)) {
      tally.claims++;
      tally.sinceClosed.claims++;
    }
    if (method !== 'hedge' || result === null) return;
    tally.hedges++;
    tally.sinceClosed.hedges++;
    const { closed, claims, hedges } = tally;
    if (100 * (hedges - 1 - closed) > DEFAULT_LIMITS.hedgePercent * claims) {
      this.world.violation(`${hedges} chunks were hedged of ${claims}`);
    }
  }

  #newBroker(): Broker {
    return new MemoryBroker({ clock: this.world.clock, lockMs: this.world.scenario.lockMs });
  }
}

export function unreachable() {
  return failure('UNREACHABLE', { target: 'the simulated server', reason: 'the connection was reset' });
}
