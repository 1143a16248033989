import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Store } from '@cropstream/broker';
import { RedisStore } from '@cropstream/broker/redis';
import { MultiCropLoader, StreamDigest } from '@cropstream/client';
import { type RedisServer, startRedisServer } from '../../scripts/redis.mjs';
import { makeImages, serve, temporaryFolder } from '../integration/harness.js';
import {
  type CoordinatorReady,
  isReady,
  metric,
  type Service,
  startCoordinator,
  startWorker,
  until,
  type WorkerReady,
} from '../processes.mjs';

const slow = join(dirname(fileURLToPath(import.meta.url)), 'slow.mjs');
const transforms = { CROPSTREAM_TRANSFORMS: slow };

const SAMPLES = 64;

/** Two chunks a step, each about 60 ms of a worker's one thread. */
const specOf = (data: string, more: object = {}) => ({
  name: 'fleet',
  dataset: { source: 'image-folder', url: data },
  seed: 7,
  global_batch_size: 8,
  chunk_size: 4,
  views: {
    global: { size: 32, transforms: ['horizontal_flip', { slow: { ms: 15 } }] },
    local: { count: 2, size: 16 },
  },
  ...more,
});

export type Coordinator = Service<CoordinatorReady>;
export type Worker = Service<WorkerReady>;

/** How many of each a fleet has. */
interface Size {
  readonly workers: number;
  readonly coordinators: number;
}

/** Redis, coordinators and workers, each a process, and the digest of the same run in one process. */
export class Fleet {
  readonly coordinators: Coordinator[] = [];
  readonly workers: Worker[] = [];
  readonly #starting = new Map<Promise<unknown>, 'worker' | 'coordinator'>();

  private constructor(
    readonly folder: string,
    readonly redis: RedisServer,
    readonly store: Store,
    readonly spec: string,
    readonly size: Size,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  /** @param env of every process, besides their own */
  static async start(
    size: Size = { workers: 3, coordinators: 2 },
    env: NodeJS.ProcessEnv = {},
  ): Promise<Fleet> {
    const { path: folder } = temporaryFolder();
    const data = join(folder, 'images');
    await makeImages(data, SAMPLES);
    const spec = join(folder, 'spec.json');
    writeFileSync(spec, JSON.stringify(specOf(data)));
    const redis = await startRedisServer();
    const store = await RedisStore.open({ url: redis.url });
    const fleet = new Fleet(folder, redis, store, spec, size, env);
    await Promise.all([
      ...Array.from({ length: size.coordinators }, () => fleet.addCoordinator()),
      ...Array.from({ length: size.workers }, () => fleet.addWorker()),
    ]);
    await fleet.settle();
    return fleet;
  }

  /** The spec of another run over its own images. */
  async otherRun(name: string): Promise<{ data: string; spec: object }> {
    const data = join(this.folder, name);
    await makeImages(data, SAMPLES);
    return { data, spec: specOf(data, { name }) };
  }

  async addCoordinator(): Promise<Coordinator> {
    const coordinator = await startCoordinator(this.redis.url, ['--spec', this.spec], {
      ...transforms,
      ...this.env,
    });
    this.coordinators.push(coordinator);
    return coordinator;
  }

  async addWorker(env: NodeJS.ProcessEnv = {}): Promise<Worker> {
    const worker = await startWorker(this.redis.url, join(this.folder, 'cache'), {
      ...transforms,
      ...this.env,
      ...env,
    });
    this.workers.push(worker);
    return worker;
  }

  /** Starts successors of those that were forgotten, and does not wait for them. */
  replenish(): void {
    const replace = (service: 'worker' | 'coordinator', add: () => Promise<unknown>) => {
      const started = add().finally(() => this.#starting.delete(started));
      this.#starting.set(started, service);
    };
    const starting = (service: string) => [...this.#starting.values()].filter((s) => s === service).length;
    while (this.workers.length + starting('worker') < this.size.workers)
      replace('worker', () => this.addWorker());
    while (this.coordinators.length + starting('coordinator') < this.size.coordinators) {
      replace('coordinator', () => this.addCoordinator());
    }
  }

  /** Forgets a process that was killed or ended. */
  forget(service: Coordinator | Worker): void {
    for (const list of [this.coordinators, this.workers] as (Coordinator | Worker)[][]) {
      const at = list.indexOf(service);
      if (at >= 0) list.splice(at, 1);
    }
  }

  /** Until the processes that are there do their work, all workers but one and a coordinator among them. */
  async settle(): Promise<void> {
    const least = Math.max(1, this.size.workers - 1);
    await until(
      'most workers are there',
      () => this.workers.length >= least && this.coordinators.length >= 1,
    );
    const all = [...this.coordinators, ...this.workers];
    await until('every service is ready', async () =>
      (await Promise.all(all.map(({ ready }) => isReady(ready.http)))).every(Boolean),
    );
  }

  /** All coordinators, tried in this order: gRPC's own syntax for several addresses. */
  get target(): string {
    return `ipv4:${this.coordinators.map(({ ready }) => ready.target).join(',')}`;
  }

  /** The process of a worker by its id in the store. */
  async workerOf(id: string): Promise<Worker | undefined> {
    const record = (await this.store.workers()).find((worker) => worker.id === id);
    return this.workers.find(({ ready }) => record !== undefined && ready.workers.includes(record.address));
  }

  /** Chunks that were given to a second worker, and those that it made first. */
  async hedges(): Promise<{ started: number; won: number }> {
    const sum = async (name: string) => {
      const all = this.coordinators.map(({ ready }) => metric(ready.http, `cropstream_coordinator_${name}`));
      return (await Promise.all(all)).reduce((total, value) => total + value, 0);
    };
    return { started: await sum('hedges_total'), won: await sum('hedges_won_total') };
  }

  /** The digest of steps [0, steps) as the embedded mode makes them. */
  async embeddedDigest(steps: number): Promise<string> {
    const served = await serve(['--spec', this.spec, '--transform', slow, '--threads', '3']);
    try {
      const trainer = await Trainer.open(served.target, 'embedded', steps);
      return await trainer.draw();
    } finally {
      await served.stop();
    }
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#starting.keys());
    for (const { process } of [...this.coordinators, ...this.workers]) process.kill('SIGKILL');
    await this.store.close();
    await this.redis.stop();
  }
}

/** Draws steps [0, steps) of a run, and keeps when each batch came. */
export class Trainer {
  readonly arrivals: number[] = [];
  readonly #digest = new StreamDigest();

  private constructor(
    private readonly loader: MultiCropLoader,
    private readonly steps: number,
  ) {}

  static async open(target: string, consumer: string, steps: number, more: object = {}): Promise<Trainer> {
    const run = 'spec' in more ? {} : { run: 'fleet' };
    const loader = await MultiCropLoader.open({
      ...{ target, ...run, consumer, rank: 0, worldSize: 1 },
      ...{ endStep: steps, endless: true, prefetch: { steps: 4 }, timeoutMs: 40_000 },
      ...more,
    });
    return new Trainer(loader, steps);
  }

  /** Draws all of it; the stream's digest. */
  async draw(): Promise<string> {
    const steps: number[] = [];
    try {
      for await (const batch of this.loader) {
        steps.push(batch.globalStep);
        this.#digest.update(batch);
        this.arrivals.push(performance.now());
      }
    } finally {
      await this.loader.close();
    }
    if (steps.some((step, at) => step !== at) || steps.length !== this.steps) {
      throw new Error(`steps lost, repeated or out of order: ${steps}`);
    }
    return this.#digest.hex();
  }

  /** Leaves, wherever it is. */
  async leave(): Promise<void> {
    await this.loader.close();
  }

  /** Until it has so many batches. */
  async reaches(batches: number): Promise<void> {
    await until(`batch ${batches}`, () => this.arrivals.length >= batches);
  }

  /** The longest wait for a batch from a moment on, in milliseconds. */
  longestWaitSince(moment: number): number {
    const times = [moment, ...this.arrivals.filter((at) => at > moment)];
    return Math.max(0, ...times.slice(1).map((at, i) => at - (times[i] as number)));
  }
}
