// @ts-check
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRedisServer } from '../../scripts/redis.mjs';
import { cropstream, launch, listening } from '../processes.mjs';
import { drawSmall } from '../soak/images.mjs';
import { pull, serve } from '../soak/processes.mjs';
import { Part, RedisPart } from './parts.mjs';
import { FLEET, mapValues } from './plan.mjs';
import { TcpProxy } from './proxy.mjs';

/** Where processes listen, and where others reach them: a proxy on the same port of another loopback address. */
const BEHIND = '127.0.0.1';
const BEFORE = '127.0.0.2';

const trainer = fileURLToPath(new URL('./trainer.mjs', import.meta.url));

/** Below what systems give to outgoing connections, which would take a port while its process is down. */
const PORTS = { first: 20_000, last: 32_000 };

const IMAGES = 96;
/**
 * A rank's batch of four has a chunk of three and one of one; the larger is 1.1 MiB, so that it comes in two frames.
 */
const SPEC = {
  name: 'chaos',
  seed: 7,
  global_batch_size: 16,
  chunk_size: 3,
  views: {
    global: {
      size: 176,
      scale: [0.4, 1],
      transforms: ['horizontal_flip', { normalize: { dtype: 'float32' } }],
    },
    local: { count: 2, size: 32, scale: [0.05, 0.4] },
  },
};

/** A trainer's own work on a batch. */
const STEP_MS = 200;

/**
 * Draws the images; the spec of a run over them.
 *
 * @param {string} folder
 */
export async function drawRun(folder) {
  const images = join(folder, 'images');
  await drawSmall(join(images, 'class'), IMAGES);
  return { ...SPEC, dataset: { source: 'image-folder', url: images } };
}

/**
 * Writes a spec to a file of its name.
 *
 * @param {string} folder
 * @param {{ readonly name: string }} spec
 * @returns {string} the file
 */
export function writeSpec(folder, spec) {
  const file = join(folder, `${spec.name}.json`);
  writeFileSync(file, JSON.stringify(spec));
  return file;
}

/** Redis, coordinators, workers and ranks as processes, each but the ranks behind a proxy, all started again when they end. */
export class Fleet {
  /** Batches that each rank has committed. */
  committed = Array.from({ length: FLEET.trainer }, () => 0);
  /** When each of them last did, by `performance.now()`. */
  committedAt = Array.from({ length: FLEET.trainer }, () => performance.now());
  /** @type {number | undefined} */
  #end;

  /**
   * @param {string} folder
   * @param {string} spec
   * @param {RedisPart} redis
   */
  constructor(folder, spec, redis) {
    this.folder = folder;
    this.spec = spec;
    this.redis = redis;
    /** @type {Record<'worker' | 'coordinator' | 'trainer', Part[]>} */
    this.parts = { worker: [], coordinator: [], trainer: [] };
  }

  /**
   * Coordinators and workers that listen, and no trainers yet.
   *
   * @param {string} folder
   * @param {string} spec
   */
  static async start(folder, spec) {
    mkdirSync(join(folder, 'logs'));
    const server = await startRedisServer({ args: ['--maxmemory-policy', 'noeviction'] });
    const behind = { host: BEHIND, port: Number(new URL(server.url).port) };
    const proxy = await TcpProxy.listen({ host: BEFORE, port: 0 }, behind);
    const fleet = new Fleet(folder, spec, new RedisPart(server, proxy));
    for (let i = 0; i < FLEET.coordinator; i++) await fleet.#addService('coordinator', ['--spec', spec]);
    for (let i = 0; i < FLEET.worker; i++) await fleet.#addService('worker', []);
    const services = [...fleet.parts.coordinator, ...fleet.parts.worker];
    for (const part of services) part.start();
    for (const part of services) await part.whenUp();
    return fleet;
  }

  /** @param {number} rank */
  journal(rank) {
    return join(this.folder, `rank-${rank}.jsonl`);
  }

  startTrainers() {
    for (let rank = 0; rank < FLEET.trainer; rank++) {
      const part = this.#part({
        name: `trainer ${rank}`,
        launch: () => this.#launchTrainer(rank),
        isUp: ({ process }) => once(process, 'message'),
      });
      this.parts.trainer.push(part);
      part.start();
    }
  }

  /**
   * Lets every rank end before a step that none of them has reached, and waits until they have.
   *
   * @param {number} more steps beyond the rank that is ahead
   * @returns {Promise<number>} that step
   */
  async finish(more) {
    const end = Math.max(...this.committed) + more;
    this.#end = end;
    for (const { launched } of this.parts.trainer) {
      if (launched?.process.connected) launched.process.send({ end });
    }
    await Promise.all(this.parts.trainer.map((part) => part.finished()));
    return end;
  }

  /** What ended by itself, or could not do its work. */
  get failures() {
    return Object.values(this.parts).flatMap((parts) => parts.flatMap(({ failures }) => failures));
  }

  /** SIGKILLs by kind of part. */
  get kills() {
    return mapValues(this.#all(), (parts) => parts.reduce((sum, { kills }) => sum + kills, 0));
  }

  /** How long starts took, in milliseconds by kind of part; of a trainer until its first batch. */
  get starts() {
    return mapValues(this.#all(), (parts) => parts.flatMap(({ starts }) => starts));
  }

  get cuts() {
    return this.#proxies().reduce((sum, { cuts }) => sum + cuts, 0);
  }

  /** @param {import('./plan.mjs').Fault} fault */
  async strike({ kind, part: partKind, index, forMs, early, forgetMs }) {
    const part = partKind === 'redis' ? this.redis : /** @type {Part} */ (this.parts[partKind][index]);
    if (kind === 'kill')
      await (part instanceof RedisPart ? part.kill(forMs, forgetMs) : part.kill(forMs, early));
    else if (kind === 'stop') await part.pause(forMs);
    else if (kind === 'cut') part.proxy?.cut();
    else await part.proxy?.silence(forMs);
  }

  async stop() {
    await Promise.all(Object.values(this.parts).flatMap((parts) => parts.map((part) => part.stop())));
    await Promise.all(this.#proxies().map((proxy) => proxy.close()));
    await this.redis.stop();
  }

  #all() {
    const { worker, coordinator, trainer } = this.parts;
    return { worker, trainer, coordinator, redis: [this.redis] };
  }

  #proxies() {
    const own = [...this.parts.coordinator, ...this.parts.worker].flatMap(({ proxy }) => proxy ?? []);
    return [...own, this.redis.proxy];
  }

  /** @param {Omit<ConstructorParameters<typeof Part>[0], 'logFile'>} options */
  #part(options) {
    return new Part({
      ...options,
      logFile: join(this.folder, 'logs', `${options.name.replace(' ', '-')}.log`),
    });
  }

  /**
   * @param {'coordinator' | 'worker'} kind
   * @param {readonly string[]} flags
   */
  async #addService(kind, flags) {
    const proxy = await listenBefore();
    const { host, port } = this.redis.proxy.address;
    const env = {
      REDIS_URL: `redis://${host}:${port}`,
      CROPSTREAM_HOST: BEHIND,
      CROPSTREAM_PORT: String(proxy.address.port),
      CROPSTREAM_HTTP_PORT: '0',
      ...(kind === 'worker' && {
        CROPSTREAM_ADVERTISE: BEFORE,
        CROPSTREAM_THREADS: '1',
        CROPSTREAM_CACHE: join(this.folder, 'cache'),
      }),
    };
    const name = `${kind} ${this.parts[kind].length}`;
    this.parts[kind].push(
      this.#part({
        name,
        proxy,
        launch: () => launch([cropstream, kind, ...flags, '--json'], env),
        isUp: (launched) => listening(launched, name),
      }),
    );
  }

  /** @param {number} rank */
  #launchTrainer(rank) {
    // Half of the ranks try one coordinator first, half the other.
    const addresses = this.parts.coordinator.map(({ proxy }) => `${BEFORE}:${proxy?.address.port}`);
    const target = `ipv4:${(rank % 2 === 0 ? addresses : addresses.reverse()).join(',')}`;
    /** @type {import('./trainer.mjs').Task} */
    const task = {
      ...{ target, run: SPEC.name, rank, worldSize: FLEET.trainer },
      ...{ journal: this.journal(rank), stepMs: STEP_MS, end: this.#end },
    };
    const launched = launch([trainer, JSON.stringify(task)], {}, 'ipc');
    launched.process.on('message', (/** @type {{ step: number }} */ { step }) => {
      this.committed[rank] = step + 1;
      this.committedAt[rank] = performance.now();
    });
    return launched;
  }
}

/** A proxy whose port is free behind it too. */
async function listenBefore() {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * (PORTS.last - PORTS.first));
    if (!(await isFree(port))) continue;
    try {
      return await TcpProxy.listen({ host: BEFORE, port }, { host: BEHIND, port });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
}

/** @param {number} port */
const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, BEHIND, () => server.close(() => resolve(true)));
  });

/**
 * Each rank's lines `<step> <digest>` of steps [0, steps), drawn from one `cropstream serve` that nothing happens to.
 *
 * @param {string} folder
 * @param {string} spec
 * @param {number} steps
 * @param {number} [worldSize]
 * @returns {Promise<readonly string[][]>}
 */
export async function undisturbed(folder, spec, steps, worldSize = FLEET.trainer) {
  const service = await serve(spec);
  const ranks = Array.from({ length: worldSize }, (_, rank) => {
    const place = ['--rank', String(rank), '--world', String(worldSize), '--steps', String(steps)];
    return pull(service, join(folder, `undisturbed-${rank}.txt`), place);
  });
  await Promise.all(ranks.map(({ done }) => done));
  await service.stop();
  return ranks.map((rank) => rank.yielded());
}
