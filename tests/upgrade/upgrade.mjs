// @ts-check
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startRedisServer } from '../../scripts/redis.mjs';
import { drawRun, undisturbed, writeSpec } from '../chaos/fleet.mjs';
import { compareStreams } from '../chaos/streams.mjs';
import { isReady, startCoordinator, startWorker, until } from '../processes.mjs';
import { errorOf, Ranks } from './ranks.mjs';

/** @typedef {import('../processes.mjs').Service<import('../processes.mjs').CoordinatorReady>} Coordinator */
/** @typedef {import('../processes.mjs').Service<import('../processes.mjs').WorkerReady>} Worker */

const WORLD = 2;
/** Drawn between two replacements at least, so that each is made under load. */
const BETWEEN = 10;
const OTHER_PIXELS = fileURLToPath(new URL('./other-pixels.mjs', import.meta.url));

/** Coordinators, each on one of the addresses that trainers know, and workers. */
class Fleet {
  /** @type {Coordinator[]} */
  coordinators = [];
  /** @type {Worker[]} */
  workers = [];
  /** What did not end with 0. */
  failures = /** @type {string[]} */ ([]);

  /**
   * @param {import('../../scripts/redis.mjs').RedisServer} redis
   * @param {string} folder
   * @param {string} spec a file
   * @param {number[]} ports one more than there are coordinators: a new one listens before an old one ends
   */
  constructor(redis, folder, spec, ports) {
    this.redis = redis;
    this.folder = folder;
    this.spec = spec;
    this.ports = ports;
  }

  /** What a headless Service's name would lead to. */
  get target() {
    return `ipv4:${this.ports.map((port) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** @param {NodeJS.ProcessEnv} [version] */
  async addCoordinator(version = {}) {
    const used = this.coordinators.map(({ ready }) => Number(ready.target.split(':').at(-1)));
    const port = this.ports.find((each) => !used.includes(each));
    const env = { CROPSTREAM_PORT: String(port), ...version };
    const coordinator = await startCoordinator(this.redis.url, ['--spec', this.spec], env);
    this.coordinators.push(coordinator);
    return coordinator;
  }

  /** @param {NodeJS.ProcessEnv} [version] */
  async addWorker(version = {}) {
    const worker = await startWorker(this.redis.url, join(this.folder, 'cache'), version);
    this.workers.push(worker);
    return worker;
  }

  async ready() {
    for (const { ready } of [...this.coordinators, ...this.workers]) {
      await until('a service is ready', () => isReady(ready.http));
    }
  }

  /** As Kubernetes ends a pod; resolves when it is gone. @param {Coordinator | Worker} service */
  async end(service) {
    service.kill('SIGTERM');
    const code = await service.ended;
    if (code !== 0) this.failures.push(`a service ended with ${code} on SIGTERM: ${service.log()}`);
    this.coordinators = this.coordinators.filter((each) => each !== service);
    this.workers = this.workers.filter((each) => each !== service);
  }

  async stop() {
    for (const service of [...this.coordinators, ...this.workers]) {
      service.kill('SIGKILL');
      await service.ended;
    }
    await this.redis.stop();
  }
}

/**
 * @param {string} folder
 * @param {{ coordinators: number, workers: number }} size
 */
async function startFleet(folder, size) {
  const file = writeSpec(folder, await drawRun(folder));
  const ports = [];
  for (let i = 0; i <= size.coordinators; i++) ports.push(await freePort());
  const fleet = new Fleet(await startRedisServer(), folder, file, ports);
  for (let i = 0; i < size.coordinators; i++) await fleet.addCoordinator();
  for (let i = 0; i < size.workers; i++) await fleet.addWorker();
  await fleet.ready();
  return fleet;
}

/**
 * Replaces every coordinator, then every worker, one by one: the new one is ready before the old one is asked to end.
 * Between two of them trainers draw on.
 *
 * @param {Fleet} fleet
 * @param {Ranks} ranks
 */
async function replaceAll(fleet, ranks) {
  for (const old of [...fleet.coordinators]) {
    const { ready } = await fleet.addCoordinator();
    await until('the new coordinator is ready', () => isReady(ready.http));
    await fleet.end(old);
    await ranks.go(BETWEEN);
  }
  for (const old of [...fleet.workers]) {
    const { ready } = await fleet.addWorker();
    await until('the new worker is ready', () => isReady(ready.http));
    await fleet.end(old);
    await ranks.go(BETWEEN);
  }
}

/**
 * @param {string} folder
 * @param {string} spec
 * @param {Ranks} ranks
 * @param {number} steps
 */
async function compare(folder, spec, ranks, steps) {
  const expected = await undisturbed(folder, spec, steps, WORLD);
  return ranks.lines.map((lines, rank) => compareStreams(lines.slice(0, steps), expected[rank] ?? []));
}

/**
 * An upgrade to a version with the same pixels: everything is replaced while a job draws.
 *
 * @param {string} folder an empty one
 * @param {{ coordinators: number, workers: number }} size
 */
export async function sameFingerprint(folder, size) {
  const fleet = await startFleet(folder, size);
  try {
    const ranks = new Ranks(fleet.target, { run: 'chaos' }, WORLD);
    await ranks.go(BETWEEN);
    const began = performance.now();
    await replaceAll(fleet, ranks);
    const seconds = (performance.now() - began) / 1000;
    const steps = await ranks.finish();
    return {
      replaced: size,
      seconds,
      steps,
      longestWaitMs: ranks.longestWait(began),
      ranks: await compare(folder, fleet.spec, ranks, steps),
      failures: fleet.failures,
    };
  } finally {
    await fleet.stop();
  }
}

/**
 * An upgrade to a version with other pixels: the run that is open is pinned to the old, so that new workers come beside the
 * old ones, which end when nobody draws that run any more. A run that is opened meanwhile is the new workers'.
 *
 * @param {string} folder an empty one
 * @param {{ coordinators: number, workers: number }} size
 */
export async function otherFingerprint(folder, size) {
  const version = { NODE_OPTIONS: `--import=${OTHER_PIXELS}` };
  const fleet = await startFleet(folder, size);
  try {
    const old = [...fleet.workers];
    const ranks = new Ranks(fleet.target, { run: 'chaos' }, WORLD);
    await ranks.go(BETWEEN);
    const began = performance.now();
    for (let i = 0; i < size.workers; i++) await fleet.addWorker(version);
    await fleet.ready();
    for (const coordinator of [...fleet.coordinators]) {
      const { ready } = await fleet.addCoordinator(version);
      await until('the new coordinator is ready', () => isReady(ready.http));
      await fleet.end(coordinator);
      await ranks.go(BETWEEN);
    }
    // Of the same digest it would share the pinned run's chunks, and its fingerprint.
    const spec = { ...JSON.parse(readFileSync(fleet.spec, 'utf8')), name: 'after', seed: 8 };
    const after = new Ranks(fleet.target, { spec }, WORLD);
    await Promise.all([after.go(BETWEEN), ranks.go(BETWEEN)]);
    const steps = await ranks.finish();
    for (const worker of old) await fleet.end(worker);
    await after.go(BETWEEN);
    const stepsAfter = await after.finish();
    const seconds = (performance.now() - began) / 1000;
    const late = await errorOf(fleet.target, 'chaos');
    return {
      replaced: size,
      seconds,
      steps,
      longestWaitMs: Math.max(ranks.longestWait(began), after.longestWait(began)),
      ranks: await compare(folder, fleet.spec, ranks, steps),
      newRun: {
        steps: stepsAfter,
        ranks: await compare(folder, writeSpec(folder, spec), after, stepsAfter),
      },
      /** What the pinned run's trainers are told once its workers are gone. */
      withoutOldWorkers: late && { code: late.code, problem: late.problem },
      failures: fleet.failures,
    };
  } finally {
    await fleet.stop();
  }
}

/** Below those that systems give to outgoing connections. */
async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const isFree = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
    await pass(1);
  }
}
