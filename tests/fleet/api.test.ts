import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  FleetEvent,
  OpenedRun,
  Page,
  Preview,
  Problem,
  Rank,
  Run,
  RunEvent,
  Status,
} from '@cropstream/api';
import { BATCH_DIGEST_HEADER } from '@cropstream/api';
import { type Batch, MultiCropLoader, StreamDigest } from '@cropstream/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RedisServer, startRedisServer } from '../../scripts/redis.mjs';
import { ApiClient } from '../integration/api-client.js';
import { makeImages, temporaryFolder } from '../integration/harness.js';
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

const folder = temporaryFolder();
const data = join(folder.path, 'images');
const transforms = { CROPSTREAM_TRANSFORMS: fileURLToPath(new URL('./slow.mjs', import.meta.url)) };
const spec = {
  dataset: { source: 'image-folder', url: data },
  seed: 11,
  global_batch_size: 4,
  views: { view: { size: 16, transforms: ['horizontal_flip'] } },
};
/** A look at one row of it takes as long as that. */
const slowSpec = (ms: number) => ({ ...spec, views: { view: { size: 16, transforms: [{ slow: { ms } }] } } });

let redis: RedisServer;
const services: Service<CoordinatorReady | WorkerReady>[] = [];
let here: Service<CoordinatorReady>;
let there: Service<CoordinatorReady>;
/** Whoever trainers attach to, and another, with tight limits. */
let one: ApiClient;
let other: ApiClient;

beforeAll(async () => {
  await makeImages(data, 12);
  redis = await startRedisServer();
  const limits = {
    CROPSTREAM_API_PREVIEW: '12s',
    CROPSTREAM_API_PREVIEWS: '1',
    CROPSTREAM_API_EVENT_STREAMS: '2',
    CROPSTREAM_API_REQUESTS: '400',
    CROPSTREAM_API_BATCH_BYTES: '10KiB',
  };
  const [first, second, worker] = await Promise.all([
    startCoordinator(redis.url, [], transforms),
    startCoordinator(redis.url, [], { ...transforms, ...limits }),
    startWorker(redis.url, join(folder.path, 'cache'), transforms),
  ]);
  [here, there] = [first, second];
  services.push(first, second, worker);
  one = new ApiClient(here.ready.http);
  other = new ApiClient(there.ready.http);
  await until('all are ready', async () =>
    (await Promise.all(services.map(({ ready }) => isReady(ready.http)))).every(Boolean),
  );
});

afterAll(async () => {
  for (const service of services) service.kill('SIGKILL');
  await Promise.all(services.map(({ ended }) => ended));
  await redis?.stop();
  folder.remove();
});

async function draw(run: string, to: number, more: object = {}): Promise<Batch[]> {
  const { target } = here.ready;
  const loader = await MultiCropLoader.open({
    target,
    run,
    endStep: to,
    endless: true,
    timeoutMs: 30_000,
    ...more,
  });
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  await loader.close();
  return batches;
}

test('any coordinator shows what another opened and serves, and what it says holds there', async () => {
  const opened = await one.post<OpenedRun>('/runs', { ...spec, name: 'shared' });
  expect(await other.get<Run>('/runs/shared')).toMatchObject({ digest: opened.digest, ranks: 0 });

  const [batch] = await draw('shared', 1);
  const digest = new StreamDigest();
  digest.update(batch as Batch);
  const { headers } = await other.bytes('/runs/shared/steps/0/batch');
  expect(headers.get(BATCH_DIGEST_HEADER)).toBe(digest.hex());

  await other.post<Run>('/runs/shared/pause');
  expect(await one.get<Run>('/runs/shared')).toMatchObject({ state: 'paused' });
  const drawing = draw('shared', 1_000_000, { startStep: 100, consumer: 'remote' });
  drawing.catch(() => {});
  const seen: RunEvent[] = [];
  for await (const { name, data } of other.events('/events?runs=shared')) {
    const event = data as RunEvent & FleetEvent;
    if (name === 'run') seen.push(event);
    else if (event.status.attachments === 1) break;
  }
  const attached = async () => (await other.get<Page<Rank>>('/runs/shared/ranks')).items;
  await until('the rank is shown', async () => (await attached()).length === 1);
  const [rank] = await attached();
  const { coordinator } = await one.get<Status>('/status');
  expect(rank).toMatchObject({ consumer: 'remote', next_step: 100, coordinator });
  expect((await other.get<Status>('/status')).coordinators).toContain(coordinator);

  await other.post<Run>('/runs/shared/resume');
  await until('it draws', async () => ((await attached())[0]?.next_step ?? 0) > 100);
  await other.fetch('/runs/shared', { method: 'DELETE' });
  await expect(drawing).rejects.toMatchObject({ code: 'RUN_CLOSED' });
});

test('what takes too long is ended, what is too much refused, and the next is served', async () => {
  const late = await other.problem('/previews', json({ spec: slowSpec(60_000), images: 1, pictures: true }));
  expect(late).toMatchObject({ status: 504, code: 'PREVIEW_TIMEOUT' });
  expect(await other.post<Preview>('/previews', { spec, images: 1 })).toMatchObject({ samples: 12 });

  const answers = await Promise.all(
    [1, 2, 3].map(() => other.send('/previews', { spec: slowSpec(1_000), images: 1, pictures: true })),
  );
  const codes = await Promise.all(
    answers.map(async (answer) => (answer.ok ? 'ok' : ((await answer.json()) as Problem).code)),
  );
  expect(codes.sort()).toEqual(['API_BUSY', 'ok', 'ok']);
  expect(await metric(there.ready.http, 'cropstream_coordinator_previews_total{outcome="late"}')).toBe(1);
  expect(await metric(there.ready.http, 'cropstream_coordinator_previews_total{outcome="refused"}')).toBe(1);
});

test('one that nobody waits for any more is not made, and one that dies with its process is told so', async () => {
  const waiting = () => metric(there.ready.http, 'cropstream_coordinator_previews_waiting');
  const slow = other.send('/previews', { spec: slowSpec(60_001), images: 1, pictures: true });
  const started = await found('the process that makes it', () => childOf(there.process.pid ?? 0));
  const leaving = new AbortController();
  const left = other.fetch('/previews', { ...json({ spec, images: 1 }), signal: leaving.signal });
  left.catch(() => {});
  await until('it waits', async () => (await waiting()) === 1);
  leaving.abort();
  await until('it does not any more', async () => (await waiting()) === 0);

  process.kill(started, 'SIGKILL');
  expect(await (await slow).json()).toMatchObject({ status: 500, code: 'INTERNAL' });
  expect((await other.post<Preview>('/previews', { spec, images: 1 })).rows).toHaveLength(1);
  expect(await metric(there.ready.http, 'cropstream_coordinator_previews_total{outcome="left"}')).toBe(1);
});

test('a batch of more bytes than the limit is not replayed', async () => {
  const views = { view: { size: 64, transforms: [] } };
  await one.post<OpenedRun>('/runs', { ...spec, name: 'large', views });
  expect(await other.problem('/runs/large/steps/0/batch')).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 10_240 },
  });
});

test('so many read events and no more, and one that leaves makes room', async () => {
  const streams = [0, 1].map(() => other.events('/events')[Symbol.asyncIterator]());
  await Promise.all(streams.map((stream) => stream.next()));
  expect(await other.problem('/events')).toMatchObject({ status: 503, code: 'API_BUSY' });
  expect(await metric(there.ready.http, 'cropstream_coordinator_event_streams')).toBe(2);
  await streams[0]?.return?.(undefined);
  await until(
    'there is room',
    async () => (await metric(there.ready.http, 'cropstream_coordinator_event_streams')) === 1,
  );
  await streams[1]?.return?.(undefined);
});

test('whoever asks too often is told when to ask again', async () => {
  let refused: Response | null = null;
  for (let i = 0; i < 500 && refused === null; i++) {
    const response = await other.fetch('/status');
    if (response.status === 429) refused = response;
    else await response.arrayBuffer();
  }
  expect(await refused?.json()).toMatchObject({
    code: 'RATE_LIMITED',
    retryable: true,
    details: { limit: 400 },
  });
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await fetch(`${there.ready.http}/healthz`)).status).toBe(200);
});

/** The process that a service started to make pictures; null: there is none. */
function childOf(pid: number): number | null {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  const child = children.find((id) => readFileSync(`/proc/${id}/cmdline`, 'utf8').includes('studio-process'));
  return child === undefined ? null : Number(child);
}

async function found<T>(what: string, look: () => T | null): Promise<T> {
  await until(what, () => look() !== null);
  return look() as T;
}

function json(body: object): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
}
