import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunRecord, runKeyOf } from '@cropstream/broker';
import { RedisStore } from '@cropstream/broker/redis';
import { CLIENT_OPTIONS, WorkerClient } from '@cropstream/protocol';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepare } from '../../scripts/python-client.mjs';
import { type RedisServer, startRedisServer } from '../../scripts/redis.mjs';
import { makeImages, outputOf, temporaryFolder } from '../integration/harness.js';
import {
  type CoordinatorReady,
  cropstream,
  isReady,
  metrics,
  type Service,
  start,
  startCoordinator,
  startWorker,
  until,
  type WorkerReady,
} from '../processes.mjs';
import { Door } from './door.js';
import { Trainer } from './fleet.js';

const STEPS = 3;
const MIB = 2 ** 20;
const SIZE = 512;
const BATCH = 16;
const BATCH_BYTES = BATCH * 3 * SIZE * SIZE;
/** A chunk takes more than a second to pass, and can be met on its way. */
const SLOW = 10 * MIB;

const { path: folder } = temporaryFolder();
const file = (name: string) => join(folder, name);
const spec = file('spec.json');
const workers: Service<WorkerReady>[] = [];
const coordinators: Service<CoordinatorReady>[] = [];
const doors: Door[] = [];
let redis: RedisServer;
let digest: string;
let first: Service<CoordinatorReady>;
let second: Service<CoordinatorReady>;

async function addWorker(): Promise<Service<WorkerReady>> {
  const worker = await startWorker(redis.url, file('cache'));
  workers.push(worker);
  return worker;
}

/** Places for eight relayed streams. */
const LIMITS = { CROPSTREAM_RELAY_BYTES: '56MiB', CROPSTREAM_RELAY_STALLED: '4s' };

async function addCoordinator(): Promise<Service<CoordinatorReady>> {
  const coordinator = await startCoordinator(redis.url, ['--spec', spec], LIMITS);
  coordinators.push(coordinator);
  await until('the coordinator has a worker', () => isReady(coordinator.ready.http));
  return coordinator;
}

async function open(...how: Parameters<typeof Door.open>): Promise<Door> {
  const door = await Door.open(...how);
  doors.push(door);
  return door;
}

const relayed = async ({ ready }: Service<CoordinatorReady>) => {
  const of = await metrics(ready.http);
  const relay = (name: string) => of(`cropstream_coordinator_relay_${name}`);
  return { bytes: relay('bytes_total'), streams: relay('streams'), waiting: relay('waiting_streams') };
};

/** gRPC's own syntax for several addresses. */
const oneOf = (ways: readonly Door[]) => `ipv4:${ways.map(({ target }) => target).join(',')}`;

/** Until a chunk is half way through this coordinator, of those that it relays from now on. */
async function halfWay(coordinator: Service<CoordinatorReady>, drawing: () => Promise<string>) {
  const { bytes } = await relayed(coordinator);
  const drawn = drawing();
  // Heard once it is awaited.
  drawn.catch(() => {});
  await until('a chunk is on its way', async () => (await relayed(coordinator)).bytes > bytes + MIB);
  return { drawn };
}

const draw = (target: string, consumer: string) =>
  Trainer.open(target, consumer, STEPS, { relay: 'always' }).then((trainer) => trainer.draw());

beforeAll(async () => {
  const data = file('images');
  await makeImages(data, 48);
  writeFileSync(
    spec,
    JSON.stringify({
      name: 'fleet',
      dataset: { source: 'image-folder', url: data },
      ...{ seed: 7, global_batch_size: BATCH, chunk_size: BATCH },
      views: { global: { size: SIZE, transforms: ['horizontal_flip'] } },
    }),
  );
  redis = await startRedisServer();
  await addWorker();
  [first, second] = await Promise.all([addCoordinator(), addCoordinator()]);
  const embedded = await start([
    'serve',
    '--spec',
    spec,
    '--port',
    '0',
    '--http-port',
    '0',
    '--threads',
    '1',
  ]);
  const trainer = await Trainer.open((embedded.ready as CoordinatorReady).target, 'embedded', STEPS);
  digest = await trainer.draw();
  embedded.kill('SIGKILL');
}, 120_000);

afterAll(async () => {
  await Promise.all(doors.map((door) => door.close()));
  for (const service of [...workers, ...coordinators]) service.kill('SIGKILL');
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A process with a network of its own, in which nothing listens: there a path of the file system is the only way out. */
const ALONE = ['--net', '--'];
const canBeAlone = spawnSync('unshare', [...ALONE, 'true']).status === 0;

async function pullAlone(command: readonly string[], target: string, env: NodeJS.ProcessEnv = {}) {
  const args = [...ALONE, ...command, '--target', target, '--steps', `${STEPS}`, '--json'];
  const { stdout, stderr } = await outputOf('unshare', args, env);
  return { pulled: JSON.parse(stdout || '{}') as { digest?: string; error?: { code: string } }, stderr };
}

test.skipIf(!canBeAlone)(
  'a trainer of either client that reaches nothing but the coordinator draws the same, and says how',
  async () => {
    const { target } = await open(first.ready.target, file('socket'));
    const before = await relayed(first);
    const typescript = await pullAlone([process.execPath, cropstream, 'pull'], target);
    expect(typescript).toMatchObject({ pulled: { digest } });
    expect(typescript.stderr).toContain(`its batches come through the coordinator at ${target}`);

    const client = prepare();
    if ('missing' in client) throw new Error(client.missing);
    const sources = new URL('../../packages/client-python/src', import.meta.url).pathname;
    const python = await pullAlone([client.python, '-m', 'cropstream.pull'], target, { PYTHONPATH: sources });
    expect(python).toMatchObject({ pulled: { digest } });
    expect(python.stderr).toContain('its batches come through the coordinator at');
    const after = await relayed(first);
    expect(after.bytes - before.bytes).toBeGreaterThan(2 * STEPS * BATCH_BYTES);

    const never = await pullAlone(
      [process.execPath, cropstream, 'pull', '--relay', 'never', '--timeout', '3'],
      target,
    );
    expect(['UNREACHABLE', 'STREAM_STALLED']).toContain(never.pulled.error?.code);
  },
  120_000,
);

test('a worker that is killed while a chunk of it is relayed costs time, not data', async () => {
  const { target } = await open(first.ready.target, null, SLOW);
  const { drawn } = await halfWay(first, () => draw(target, 'worker-killed'));
  const [victim] = workers.splice(0) as [Service<WorkerReady>];
  victim.kill('SIGKILL');
  await victim.ended;
  await addWorker();
  expect(await drawn).toBe(digest);
  const of = await (await fetch(`${first.ready.http}/metrics`)).text();
  expect(of).toMatch(/relay_chunks_total\{outcome="failed"\} [1-9]/);
}, 120_000);

test('readers that take nothing hold no more than the memory for relays, and hold up nobody for long', async () => {
  const memory = async () => (await metrics(first.ready.http))('process_resident_memory_bytes');
  expect(await draw(first.ready.target, 'before')).toBe(digest);
  const before = await memory();

  // A chunk that lies there for a trainer who has it to come.
  const waits = await Trainer.open(first.ready.target, 'waits', STEPS, { relay: 'always' });
  const store = await RedisStore.open({ url: redis.url });
  const [run] = (await store.runs()) as [RunRecord];
  const [{ id: workerId } = { id: '' }] = await store.workers();
  const chunk = { runDigest: run.digest, epoch: 0n, first: 0n, last: BigInt(BATCH) };
  const ready = async () => (await store.chunkStates(runKeyOf(run), [`0-0-${BATCH}`]))[0]?.state === 'ready';
  await until('its first chunk is ready', ready);
  await store.close();
  const asked = { chunk, workerId, attempt: 1, offset: 0n, owner: '' };
  const client = new WorkerClient(first.ready.target, credentials.createInsecure(), {
    ...CLIENT_OPTIONS,
    'grpc-node.flow_control_window': 64 << 10,
  });
  const hanging = Array.from({ length: 40 }, (_, i) => {
    const call = client.fetchChunk({ ...asked, process: `${i % 5}` });
    return call.on('error', () => {});
  });
  await until('all places are taken', async () => (await relayed(first)).waiting > 0);
  expect((await relayed(first)).streams).toBe(8);
  expect((await memory()) - before).toBeLessThan((hanging.length * BATCH_BYTES) / 3);
  expect(await waits.draw()).toBe(digest);
  for (const call of hanging) call.cancel();
  client.close();
  await until('nothing is left', async () => {
    const now = await relayed(first);
    return now.streams + now.waiting === 0;
  });
}, 120_000);

test('a coordinator that is killed while it relays costs time, not data', async () => {
  const ways = [await open(first.ready.target, null, SLOW), await open(second.ready.target, null, SLOW)];
  const { drawn } = await halfWay(first, () => draw(oneOf(ways), 'coordinator-killed'));
  const before = await relayed(second);
  first.kill('SIGKILL');
  await first.ended;
  expect(await drawn).toBe(digest);
  expect((await relayed(second)).bytes).toBeGreaterThan(before.bytes);
}, 120_000);

test('a coordinator that is stopped while it relays sends what is under way to its end', async () => {
  const third = await addCoordinator();
  const ways = [await open(second.ready.target, null, SLOW), await open(third.ready.target, null, SLOW)];
  const { drawn } = await halfWay(second, () => draw(oneOf(ways), 'coordinator-stopped'));
  second.kill('SIGTERM');
  expect(await drawn).toBe(digest);
  expect(await second.ended).toBe(0);
}, 120_000);
