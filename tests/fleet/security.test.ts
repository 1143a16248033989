import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificates } from '../../scripts/certificates.mjs';
import { type RedisServer, startRedisServer } from '../../scripts/redis.mjs';
import { makeImages, run, temporaryFolder } from '../integration/harness.js';
import { type CoordinatorReady, type Service, startCoordinator, startWorker, until } from '../processes.mjs';

const TOKEN = 'correct-horse';
const STEPS = 3;

const { path: folder } = temporaryFolder();
const file = (name: string) => join(folder, name);
const data = file('images');
const recipe = ['--data', data, '--recipe', 'lesson-cifar10', '--global-batch-size', '4'];
const started: Service<unknown>[] = [];
let redis: RedisServer;

/** A service's environment, its certificate of the authority in `by`. */
const service = (by = '.') => ({
  CROPSTREAM_TLS_CERT: file(`${by}/service.pem`),
  CROPSTREAM_TLS_KEY: file(`${by}/service.key`),
  CROPSTREAM_TLS_CA: file('ca.pem'),
  CROPSTREAM_TOKEN: TOKEN,
});

async function coordinator(env: NodeJS.ProcessEnv): Promise<Service<CoordinatorReady>> {
  const process = await startCoordinator(redis.url, recipe, env);
  started.push(process);
  return process;
}

async function worker(env: NodeJS.ProcessEnv, says: string): Promise<Service<unknown>> {
  const process = await startWorker(redis.url, file('cache'), env);
  started.push(process);
  await until(`a worker says "${says}"`, () => process.log().includes(says));
  return process;
}

async function end(process: Service<unknown>): Promise<void> {
  process.kill('SIGKILL');
  await process.ended;
}

/** What `cropstream pull` says: its result, or its error. */
async function pull({ ready }: Service<CoordinatorReady>, env: NodeJS.ProcessEnv = {}) {
  const target = ready.target.replace('127.0.0.1', 'localhost');
  const client = { CROPSTREAM_TLS_CA: file('ca.pem'), CROPSTREAM_TOKEN: TOKEN, ...env };
  const flags = ['--target', target, '--steps', `${STEPS}`, '--timeout', '20', '--json'];
  const { stdout } = await run(['pull', ...flags], client);
  return JSON.parse(stdout) as { digest?: string; error?: { code: string; problem: string } };
}

beforeAll(async () => {
  makeCertificates(folder);
  await makeImages(data, 12);
  redis = await startRedisServer();
}, 60_000);

afterAll(async () => {
  await Promise.all(started.map(end));
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('over TLS a fleet gives the same stream, its workers verified by their name', async () => {
  const first = await coordinator(service());
  // One that the coordinator does not trust, or that has another token, takes no jobs and is told why.
  await end(await worker(service('foreign'), 'not from an authority that is trusted'));
  await end(await worker({ ...service(), CROPSTREAM_TOKEN: 'battery' }, 'its token is not known here'));
  const good = await worker(service(), 'admitted');

  const replayed = await run(['replay', ...recipe, '--steps', `${STEPS}`, '--json']);
  const { digest } = JSON.parse(replayed.stdout);
  expect(await pull(first)).toMatchObject({ digest });
  expect(await pull(first, { CROPSTREAM_RELAY: 'always' })).toMatchObject({ digest });
  expect(await pull(first, { CROPSTREAM_TOKEN: '' })).toMatchObject({ error: { code: 'UNAUTHENTICATED' } });
  await Promise.all([end(good), end(first)]);

  // A worker that the coordinator trusts and a client does not is no worker that is away.
  writeFileSync(
    file('both.pem'),
    readFileSync(file('ca.pem')) + readFileSync(file('foreign/ca.pem'), 'utf8'),
  );
  const second = await coordinator({ ...service(), CROPSTREAM_TLS_CA: file('both.pem') });
  await worker(service('foreign'), 'admitted');
  expect(await pull(second)).toMatchObject({
    error: { code: 'TLS_FAILED', problem: expect.stringContaining('not from an authority') },
  });
  // Who trusts the coordinator alone can draw through it: it verifies the worker.
  expect(await pull(second, { CROPSTREAM_RELAY: 'always' })).toMatchObject({ digest });
  expect(await pull(second, { CROPSTREAM_TLS_CA: file('both.pem') })).toMatchObject({ digest });
  for (const process of started) expect(process.log()).not.toContain(TOKEN);
}, 240_000);
