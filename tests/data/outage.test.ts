import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeImages, run, runJson, type Served, serve, temporaryFolder } from '../integration/harness.js';
import { metric, until } from '../processes.mjs';
import { filesOf, put } from '../s3-objects.js';
import { type S3Server, startSeaweed } from '../s3-servers.mjs';

const IMAGES = 120;
const BATCH = 8;
const STEPS = IMAGES / BATCH;
const RUN = ['--recipe', 'supervised', '--seed', '5', '--global-batch-size', String(BATCH), '--threads', '2'];

const folder = temporaryFolder();
const images = join(folder.path, 'images');
let expected: string;
let server: S3Server;

interface Pulled {
  readonly digest: string;
  readonly steps: number;
}

beforeAll(async () => {
  await makeImages(images, IMAGES);
  server = await startSeaweed(process.env.CROPSTREAM_DATA_PYTHON ?? '', join(folder.path, 'seaweed'));
  await put(server, 'bucket', filesOf(images, 'train/'));
  await withService(images, {}, async (served) => {
    expected = (await pull(served)).digest;
  });
});

afterAll(async () => {
  await server?.kill();
  folder.remove();
});

const pull = (served: Served, ...args: string[]) =>
  runJson<Pulled>(['pull', '--target', served.target, '--steps', String(STEPS), ...args]);

async function withService(
  data: string,
  env: Record<string, string>,
  use: (served: Served) => Promise<void>,
): Promise<void> {
  const told = { ...server.env, CROPSTREAM_CACHE: join(folder.path, 'cache'), ...env };
  const served = await serve(['--data', data, ...RUN], told);
  try {
    await use(served);
  } finally {
    await served.stop();
  }
}

const made = (served: Served) => metric(served.http, 'cropstream_worker_samples_made_total');
const retries = (served: Served) => metric(served.http, 'cropstream_worker_storage_retries_total');

it('gives the stream of a local folder, from the store and then from the cache, whatever the cells', async () => {
  const cells = {
    env: { CROPSTREAM_CACHE: join(folder.path, 'shared') },
    args: ['--threads', '4', '--cells', '4'],
  };
  const told = { ...server.env, ...cells.env };
  const served = await serve(['--data', 's3://bucket/train', ...RUN.slice(0, -2), ...cells.args], told);
  try {
    expect((await pull(served)).digest).toBe(expected);
    await until(
      'all misses',
      async () => (await metric(served.http, 'cropstream_worker_cache_misses_total')) >= IMAGES,
    );
    expect(await metric(served.http, 'cropstream_worker_cache_hits_total')).toBe(0);
  } finally {
    await served.stop();
  }
  expect(readdirSync(join(folder.path, 'shared', 'data'))).toEqual(['256']);
  const again = await serve(['--data', 's3://bucket/train', ...RUN.slice(0, -2), ...cells.args], told);
  try {
    // Indexed already: all that is read from here on lies in the cache.
    await server.kill();
    expect((await pull(again)).digest).toBe(expected);
    await until(
      'all hits',
      async () => (await metric(again.http, 'cropstream_worker_cache_hits_total')) >= IMAGES,
    );
    expect(await metric(again.http, 'cropstream_worker_storage_requests_total')).toBe(0);
  } finally {
    await again.stop();
    await server.start();
  }
});

it('gives it, too, from a cache that holds a part of the data, and that never grows beyond its limit', async () => {
  const cache = join(folder.path, 'small');
  const env = { CROPSTREAM_CACHE: cache, CROPSTREAM_DATA_CACHE_BYTES: '256KiB' };
  await withService('s3://bucket/train', env, async (served) => {
    const room = () => {
      const names = readdirSync(join(cache, 'data'), { recursive: true, encoding: 'utf8' });
      const stats = names.map((name) => statSync(join(cache, 'data', name), { throwIfNoEntry: false }));
      return stats.reduce((sum, stat) => sum + (stat?.isFile() ? 512 * stat.blocks : 0), 0);
    };
    for (let epoch = 0; epoch < 2; epoch++) {
      const from = ['--from-step', String(epoch * STEPS)];
      const { digest } = await pull(served, ...from);
      if (epoch === 0) expect(digest).toBe(expected);
      // What is made ahead is still being read.
      for (let before = -1, now = room(); now !== before; now = room()) {
        expect(now).toBeLessThanOrEqual(256 * 1024);
        before = now;
        await pass(50);
      }
    }
    expect(room()).toBeGreaterThan(128 * 1024);
    const evictions = () => metric(served.http, 'cropstream_worker_cache_evictions_total');
    await until('evictions', async () => (await evictions()) > 0);
    expect(await metric(served.http, 'cropstream_worker_cache_damaged_total')).toBe(0);
  });
});

it('loses no sample, and gives no wrong one, when the store is killed in mid-epoch and comes back', async () => {
  await withService('s3://bucket/train', { CROPSTREAM_DATA_CACHE_BYTES: '0' }, async (served) => {
    const pulled = pull(served);
    await until('a tenth', async () => (await made(served)) >= IMAGES / 10);
    await server.kill();
    const before = await made(served);
    await until('retries', async () => (await retries(served)) >= 20);
    await server.start();
    expect(await pulled).toMatchObject({ digest: expected, steps: STEPS });
    expect(before).toBeLessThan(IMAGES);
    expect(await metric(served.http, 'cropstream_worker_chunk_failures_total')).toBe(0);
  });
});

it('says why a step cannot be had when the store stays away for longer than the budget', async () => {
  const env = { CROPSTREAM_DATA_CACHE_BYTES: '0', CROPSTREAM_STORAGE_RETRY: '200ms' };
  await withService('s3://bucket/train', env, async (served) => {
    await server.kill();
    const { code, stderr } = await run(['pull', '--target', served.target, '--steps', String(STEPS)]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /failed 3 times, last: reading class-\d\/\d+\.jpg failed: .*ECONNREFUSED.*tried \d+ times/,
    );
  });
});
