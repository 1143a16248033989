import type { Broker, ChunkJob, Store } from '@cropstream/broker';
import { Lane } from './lane.js';
import type { Part } from './part.js';
import { type Server, unreachable } from './server.js';

/** The wakes of all parts: lost, late and repeated. */
export class Wakes {
  readonly #listeners = new Map<string, Set<(delayMs: number) => void>>();

  wake(topic: string, { world }: Part): void {
    const { chance, scenario, hostile, counts } = world;
    const { wakeLost, wakeRepeated } = scenario.hostility;
    for (const listener of this.#listeners.get(topic) ?? []) {
      if (hostile && chance.network.happens(wakeLost)) {
        counts.wakesLost++;
        continue;
      }
      const times = hostile && chance.network.happens(wakeRepeated) ? 2 : 1;
      for (let i = 0; i < times; i++) listener(chance.network.spread(0.1, scenario.latencyMs));
    }
  }

  listen(topic: string, part: Part, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    const own = (delayMs: number) => {
      part.world.clock.timer(delayMs, () => {
        if (listeners.has(own)) part.enter(listener);
      });
    };
    listeners.add(own);
    part.onCrash(() => listeners.delete(own));
    return () => listeners.delete(own);
  }
}

/** One connection of a part to the server: requests and answers keep their order; anything may go wrong on the way. */
class Connection {
  readonly #up: Lane;
  readonly #down: Lane;

  constructor(
    private readonly part: Part,
    private readonly server: Server,
  ) {
    this.#up = new Lane(part.world.clock);
    this.#down = new Lane(part.world.clock);
  }

  call<T>(name: () => string, run: () => Promise<T>): Promise<T> {
    const { part, server } = this;
    const { world } = part;
    const { hostility } = world.scenario;
    const fate = world.chance.network.uniform();
    let at = 0;
    // One draw decides: the ranges of the fates lie beside each other.
    const meets = (rate: number) => {
      const from = at;
      at += rate;
      return world.hostile && fate >= from && fate < at;
    };
    const fails = meets(hostility.callFails);
    const answerLost = meets(hostility.answerLost);
    const repeated = meets(hostility.callRepeated);
    const crashesBefore = meets(hostility.crashAtCall / 2);
    const crashesAfter = meets(hostility.crashAtCall / 2);
    return new Promise<T>((resolve, reject) => {
      if (!part.alive) return;
      if (fails || answerLost || repeated) {
        world.counts.calls++;
        const how = fails ? 'fails' : answerLost ? 'is not answered' : 'runs twice';
        world.log?.(`${part.name}: ${name()} ${how}`);
      }
      if (crashesBefore) {
        world.counts.crashes++;
        part.crash(`before ${name()}`);
        return;
      }
      const answer = (enter: () => void) => {
        if (crashesAfter && part.alive) {
          world.counts.crashes++;
          part.crash(`after ${name()}`);
        }
        this.#down.send(this.#delay(), () => part.enter(enter));
      };
      const refuse = () => answer(() => reject(unreachable()));
      this.#up.send(this.#delay(), () => {
        if (server.isDown || fails) return refuse();
        let result = run();
        if (repeated) {
          result.catch(() => {});
          result = run();
        }
        server.whileUp(result).then(
          (value) => {
            world.log?.(`${part.name}: ${name()} → ${shorten(value)}`);
            if (answerLost) refuse();
            else answer(() => resolve(value));
          },
          (error: unknown) => {
            world.log?.(`${part.name}: ${name()} ✗ ${error}`);
            if (answerLost) refuse();
            else answer(() => reject(error));
          },
        );
      });
    });
  }

  #delay(): number {
    const { world } = this.part;
    const { latencyMs, hostility } = world.scenario;
    const slow = world.hostile && world.chance.network.happens(hostility.slowCall);
    return slow ? world.chance.network.spread(20, 500) : latencyMs * 0.2 * world.chance.network.uniform();
  }
}

/** The store as one part sees it. */
export function storeOf(part: Part, server: Server, wakes: Wakes): Store {
  const connection = new Connection(part, server);
  return new Proxy({} as Store, {
    get(_, method: keyof Store) {
      switch (method) {
        case 'close':
          return async () => {};
        case 'onWake':
          return (topic: string, listener: () => void) => wakes.listen(topic, part, listener);
        case 'wake':
          return (topic: string) =>
            connection.call(
              () => 'wake',
              async () => wakes.wake(topic, part),
            );
        default:
          return (...args: Parameters<Store[typeof method]>) =>
            connection.call(
              () => `${method} ${describe(args)}`,
              () => server.run(method, args),
            );
      }
    },
  });
}

/** The broker as one part sees it. Jobs are lost, and run again though their taker still works on them. */
export function brokerOf(part: Part, server: Server): Broker {
  const calls = new Connection(part, server);
  const { world } = part;
  const { hostility, lockMs } = world.scenario;
  const dice = world.chance.network;
  const runAgain = (queue: string, job: ChunkJob) => {
    world.counts.jobsRepeated++;
    world.log?.(`job ${job.id.slice(-14)} runs again`);
    void server.broker.add(queue, [job]);
  };
  return {
    add: (queue, jobs) =>
      calls.call(
        () => `add ${jobs.map(({ id }) => id.slice(-14)).join(' ')}`,
        () => {
          const kept = jobs.filter(() => !(world.hostile && dice.happens(hostility.jobLost)));
          world.counts.jobsLost += jobs.length - kept.length;
          if (kept.length < jobs.length) world.log?.(`${jobs.length - kept.length} of these jobs are lost`);
          return server.broker.add(queue, kept);
        },
      ),
    // A blocking call has a connection of its own.
    take: async (queue, worker, waitMs, prefers) => {
      const job = await new Connection(part, server).call(
        () => 'take',
        async () => {
          const taken = await server.broker.take(queue, worker, waitMs, prefers);
          if (taken && world.hostile && dice.happens(hostility.jobRepeated)) {
            world.clock.timer(dice.spread(5, lockMs), () => {
              void server.broker.finish(queue, taken.id, worker).then(() => runAgain(queue, taken));
            });
          }
          return taken;
        },
      );
      if (job) world.log?.(`${part.name} takes ${job.id.slice(-14)}`);
      return job;
    },
    finish: (queue, jobId, worker) =>
      calls.call(
        () => `finish ${jobId.slice(-14)}`,
        () => server.broker.finish(queue, jobId, worker),
      ),
    remove: (queue, jobIds) =>
      calls.call(
        () => 'remove',
        () => server.broker.remove(queue, jobIds),
      ),
    counts: (queue) =>
      calls.call(
        () => 'counts',
        () => server.broker.counts(queue),
      ),
    close: async () => {},
  };
}

/** Arguments in a line of the log: digests are left out, records are told by their names. */
function describe(args: readonly unknown[]): string {
  const words = args.map((arg) => {
    if (typeof arg === 'string') return arg.length > 40 ? '' : arg;
    if (typeof arg !== 'object' || arg === null) return String(arg);
    const { chunk, attempt, name, id, rank, nextStep, windowEnd } = arg as Record<string, unknown>;
    return [chunk, attempt, name, id, rank, nextStep, windowEnd]
      .filter((word) => word !== undefined)
      .join(' ');
  });
  return words.filter((word) => word !== '').join(' ');
}

/** An answer in a line of the log. */
function shorten(value: unknown): string {
  const text = value instanceof Uint8Array ? 'bytes' : (JSON.stringify(value) ?? 'done');
  return text
    .replace(/"[0-9a-f]{64}"/g, '#')
    .replace(/[0-9a-f]{64}/g, '#')
    .replace(/"specJson":"(\\.|[^"\\])*"/g, 'spec')
    .slice(0, 200);
}
