import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MultiCropLoader } from '@cropstream/client';
import { type RedisServer, startRedisServer } from '../../scripts/redis.mjs';
import { digestOf, makeImages, temporaryFolder } from '../integration/harness.js';
import {
  type CoordinatorReady,
  type Service,
  startCoordinator,
  startWorker,
  until,
  type WorkerReady,
} from '../processes.mjs';

/** Who may call, of two owners and none. */
export const TOKENS = {
  trainer: { role: 'trainer', owner: 'lab' },
  operator: { role: 'operator', owner: 'lab' },
  stranger: { role: 'trainer', owner: 'others' },
  rival: { role: 'operator', owner: 'others' },
  platform: { role: 'operator', owner: '*' },
  scraper: { role: 'service', owner: '*' },
} as const;
export type Who = keyof typeof TOKENS;

/** A token as it is sent; files have its digest alone. */
export const tokenOf = (who: Who) => `token-of-the-${who}`;
const FLEET_TOKEN = 'token-of-the-fleet';

export const STEPS = 3;
const SAMPLES = 24;

/** Redis, a coordinator and a worker with tokens, a run of the owner `lab` open, its data the one root of that owner. */
export class SecuredFleet {
  private constructor(
    readonly folder: string,
    readonly redis: RedisServer,
    readonly coordinator: Service<CoordinatorReady>,
    readonly worker: Service<WorkerReady>,
  ) {}

  /** @param env beside that of the tokens, of both services */
  static async start(env: NodeJS.ProcessEnv = {}, folder = temporaryFolder().path): Promise<SecuredFleet> {
    await makeImages(join(folder, 'data', 'images'), SAMPLES);
    await makeImages(join(folder, 'secret'), 3);
    const owners = { lab: { roots: [join(folder, 'data')] }, others: { roots: [join(folder, 'data')] } };
    const tokens = Object.entries(TOKENS).map(([name, { role, owner }]) => {
      const sha256 = createHash('sha256')
        .update(tokenOf(name as Who))
        .digest('hex');
      return { name, sha256, role, ...(owner !== '*' && { owner }) };
    });
    writeFileSync(join(folder, 'tokens.yaml'), JSON.stringify({ owners, tokens }));
    const collector = pathToFileURL(join(import.meta.dirname, 'collect-garbage.mjs'));
    const secured = {
      CROPSTREAM_TOKEN: FLEET_TOKEN,
      CROPSTREAM_TOKENS_FILE: join(folder, 'tokens.yaml'),
      NODE_OPTIONS: `--import ${collector}`,
      ...env,
    };
    const redis = await startRedisServer();
    const coordinator = await startCoordinator(redis.url, [], secured);
    const worker = await startWorker(redis.url, join(folder, 'cache'), secured);
    const fleet = new SecuredFleet(folder, redis, coordinator, worker);
    await until('the worker is admitted', () => worker.log().includes('admitted'));
    return fleet;
  }

  /** By a name of its certificate. */
  get target(): string {
    return this.coordinator.ready.target.replace('127.0.0.1', 'localhost');
  }

  get http(): string {
    return this.coordinator.ready.http.replace('127.0.0.1', 'localhost');
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  /** A run's spec over `url`. */
  spec(more: object = {}, url = join(this.folder, 'data', 'images')): Record<string, unknown> {
    return {
      name: 'lab-run',
      dataset: { source: 'image-folder', url },
      seed: 7,
      global_batch_size: 8,
      chunk_size: 4,
      views: { global: { size: 32 }, local: { count: 2, size: 16 } },
      ...more,
    };
  }

  /** What a trainer draws: the digest of the first steps of its owner's run. */
  draw(
    who: Who = 'trainer',
    more: Partial<Parameters<typeof MultiCropLoader.open>[0]> = {},
  ): Promise<string> {
    return digestOf({
      target: this.target,
      token: tokenOf(who),
      spec: this.spec(),
      ...{ rank: 0, worldSize: 1, endStep: STEPS, timeoutMs: 20_000 },
      ...more,
    });
  }

  /** Resident memory of a service after its garbage was collected, in MiB. */
  async memory({ log, kill }: Service<unknown>): Promise<number> {
    const answers = () => log().match(/^\{"memory":.*\}$/gm) ?? [];
    const before = answers().length;
    kill('SIGUSR2');
    await until('the garbage is collected', () => answers().length > before);
    const { memory } = JSON.parse(answers().at(-1) as string) as { memory: NodeJS.MemoryUsage };
    return memory.rss / 2 ** 20;
  }

  async stop(): Promise<void> {
    this.coordinator.kill('SIGKILL');
    this.worker.kill('SIGKILL');
    await this.redis.stop();
  }
}
