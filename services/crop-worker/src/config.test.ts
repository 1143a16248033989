import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DEFAULT_CHUNK_LIMITS } from '@cropstream/chunks';
import { expect, it } from 'vitest';
import { dataConfig, workerConfig } from './config.js';
import { DEFAULT_DATA_LIMITS } from './index.js';

const REDIS_URL = 'redis://localhost:6379';

it('has the defaults of the limits, and sets those that are given', () => {
  const config = workerConfig({ REDIS_URL, CROPSTREAM_JOBS: '3', CROPSTREAM_OUTBOX_BYTES: '2GiB' });
  expect(config.limits).toMatchObject({ jobs: 3, outboxBytes: 2 ** 31, beatMs: 500 });
  expect(config.chunkLimits).toEqual(DEFAULT_CHUNK_LIMITS);
  // It depends on the machine's memory where nobody sets it.
  expect(workerConfig({ REDIS_URL }).limits).not.toHaveProperty('outboxBytes');
});

it('keeps data in the folder and the bounds that it is told', () => {
  const told = {
    CROPSTREAM_CACHE: '/cache',
    CROPSTREAM_DATA_CACHE_BYTES: '1TiB',
    CROPSTREAM_STORAGE_RETRY: '5m',
    CROPSTREAM_SHARD_MEMORY: '1GiB',
  };
  const expected = {
    dataCache: '/cache/data',
    dataLimits: {
      retryMs: 300_000,
      maxRequests: 32,
      silenceMs: 10_000,
      cacheBytes: 2 ** 40,
      shardMemoryBytes: 2 ** 30,
    },
  };
  expect(dataConfig(told)).toEqual(expected);
  expect(workerConfig({ REDIS_URL, ...told })).toMatchObject(expected);
  expect(dataConfig({ HOME: '/home/me' })).toEqual({
    dataCache: '/home/me/.cache/cropstream/data',
    dataLimits: DEFAULT_DATA_LIMITS,
  });
  expect(() => dataConfig({ CROPSTREAM_STORAGE_REQUESTS: '0' })).toThrow(
    /CROPSTREAM_STORAGE_REQUESTS is "0"/,
  );
});

it.each([
  [{}, /REDIS_URL is not set/],
  [{ REDIS_URL: 'http://localhost' }, /REDIS_URL is "http:/],
  [
    { REDIS_URL, CROPSTREAM_THREADS: '0' },
    /CROPSTREAM_THREADS is "0"; expected a whole number from 1 to 1024/,
  ],
  [{ REDIS_URL, CROPSTREAM_PREFIX: 'a:b' }, /CROPSTREAM_PREFIX is "a:b"; expected letters, digits, - and _/],
])('refuses %o, naming the variable', (env, message) => {
  expect(() => workerConfig(env)).toThrow(message);
});

it.each(['operations', 'metrics'])("is, with the coordinator's, what docs-%s.mjs writes", (page) => {
  const script = fileURLToPath(new URL(`../../../scripts/docs-${page}.mjs`, import.meta.url));
  const checked = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect(checked.stderr).toBe('');
});
