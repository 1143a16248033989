import type { ServerResponse } from 'node:http';
import { type FleetEvent, type GoneEvent, PAGE_LIMITS, type RunEvent } from '@cropstream/api';
import { failure, toFailure } from '@cropstream/errors';
import type { Principal, Timer } from '@cropstream/runtime';
import type { ApiContext } from './context.js';
import { isoTime, progressOf, type RunProgress, ranksOf, runResource, workerResource } from './describe.js';
import { fleetNow, statusOf } from './fleet.js';
import { type RunInView, runsOf } from './whose.js';

/** How often everybody is told. */
const EVERY_MS = 1_000;

/** Who is told of what. */
export interface Subscription {
  readonly principal: Principal;
  /** Whose runs; null: every owner's. */
  readonly owner: string | null;
  /** Names of the runs to tell of one by one. */
  readonly runs: readonly string[];
  readonly response: ServerResponse;
}

/**
 * Tells subscribers once a second how the fleet and their runs are: whole snapshots, read from store and queue once for
 * all of them, so that it matters neither which coordinator they ask nor what they missed. A reader that does not take
 * them is dropped.
 */
export class EventHub {
  readonly #context: ApiContext;
  readonly #subscriptions = new Set<Subscription>();
  #timer: Timer | null = null;
  #telling = false;
  #id = 0;
  /** Subscribers that were dropped because they did not read. */
  dropped = 0;

  constructor(context: ApiContext) {
    this.#context = context;
  }

  get subscribers(): number {
    return this.#subscriptions.size;
  }

  /** @throws API_BUSY */
  subscribe(subscription: Subscription): void {
    const { limits, access } = this.#context;
    if (this.#subscriptions.size >= limits.eventStreams) {
      throw failure('API_BUSY', { what: 'streams of events', limit: limits.eventStreams });
    }
    const { principal, response } = subscription;
    this.#subscriptions.add(subscription);
    const stopWatching = access.onRevoked((revoked) => {
      if (revoked === principal) response.end();
    });
    response.once('close', () => {
      stopWatching();
      this.#subscriptions.delete(subscription);
    });
    void this.#tell([subscription]);
    this.#schedule();
  }

  /** Ends every stream. */
  close(): void {
    this.#timer?.cancel();
    for (const { response } of this.#subscriptions) response.end();
    this.#subscriptions.clear();
  }

  #schedule(): void {
    this.#timer ??= this.#context.clock.timer(EVERY_MS, () => {
      this.#timer = null;
      if (this.#subscriptions.size === 0) return;
      this.#schedule();
      // A store that answers late is not asked more often for that.
      if (this.#telling) return;
      this.#telling = true;
      void this.#tell([...this.#subscriptions]).finally(() => {
        this.#telling = false;
      });
    });
  }

  async #tell(subscriptions: readonly Subscription[]): Promise<void> {
    try {
      const snapshot = await Snapshot.take(this.#context, subscriptions);
      for (const subscription of subscriptions) this.#write(subscription, snapshot.eventsFor(subscription));
    } catch (thrown) {
      const { code, problem } = toFailure(thrown);
      // The streams live on: the next second tells what is then.
      for (const subscription of subscriptions) this.#send(subscription, `: ${code} ${problem}\n\n`);
    }
  }

  #write(subscription: Subscription, events: readonly [name: string, data: object][]): void {
    this.#id++;
    const text = events.map(
      ([name, data]) => `event: ${name}\nid: ${this.#id}\ndata: ${JSON.stringify(data)}\n\n`,
    );
    this.#send(subscription, text.join(''));
  }

  #send({ response }: Subscription, text: string): void {
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength > this.#context.limits.eventBufferBytes) {
      this.dropped++;
      response.destroy();
    } else response.write(text);
  }
}

/** What all subscribers' events of one second are made of. */
class Snapshot {
  private constructor(
    private readonly context: ApiContext,
    private readonly at: string,
    private readonly runs: readonly RunInView[],
    private readonly progress: ReadonlyMap<RunInView, RunProgress>,
    private readonly fleet: Awaited<ReturnType<typeof fleetNow>>,
  ) {}

  static async take(context: ApiContext, subscriptions: readonly Subscription[]): Promise<Snapshot> {
    const [all, fleet] = await Promise.all([runsOf(context, null), fleetNow(context)]);
    const told = all.filter((seen) => subscriptions.some((to) => isTold(to, seen)));
    const shown = told.slice(0, PAGE_LIMITS.most);
    const asked = told.filter((seen) => subscriptions.some(({ runs }) => runs.includes(seen.record.name)));
    const progress = await Promise.all(
      [...new Set([...shown, ...asked])].map(
        async (seen) => [seen, await progressOf(context.store, seen)] as const,
      ),
    );
    return new Snapshot(context, isoTime(context.clock.wall()), told, new Map(progress), fleet);
  }

  eventsFor(subscription: Subscription): [string, object][] {
    const { context, at, fleet, progress } = this;
    const runs = this.runs.filter((seen) => isTold(subscription, seen));
    const keys = new Set(runs.map(({ run }) => run.key));
    const fleetEvent: FleetEvent = {
      status: statusOf(context, subscription.principal, runs, fleet),
      workers: fleet.workers.map((worker) => workerResource(worker, keys)),
      runs: runs.flatMap((seen) => {
        const known = progress.get(seen);
        return known ? [runResource(seen, known)] : [];
      }),
    };
    const single = subscription.runs.map((name): [string, object] => {
      const seen = runs.find(({ record }) => record.name === name);
      const known = seen && progress.get(seen);
      if (!seen || !known) return ['gone', { at, name } satisfies GoneEvent];
      const run = runResource(seen, known);
      return ['run', { at, run, ranks: ranksOf(seen, known) } satisfies RunEvent];
    });
    return [['fleet', fleetEvent], ...single];
  }
}

const isTold = ({ owner }: Subscription, { record }: RunInView) => owner === null || record.owner === owner;
