import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetEvent, OpenedRun, Page, Run } from '@cropstream/api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiClient } from './api-client.js';
import { makeImages, type Served, serve, temporaryFolder } from './harness.js';

const folder = temporaryFolder();
const data = join(folder.path, 'images');
const file = join(folder.path, 'tokens.yaml');
const CALLERS = {
  'vision-trainer': ['trainer', 'vision'],
  'vision-operator': ['operator', 'vision'],
  'speech-operator': ['operator', 'speech'],
  platform: ['operator', '*'],
  prometheus: ['service', '*'],
} as const;
type Caller = keyof typeof CALLERS;

let served: Served;
const as = (caller?: Caller) => new ApiClient(served.http, caller && `token-of-${caller}`);

function writeTokens(callers: readonly Caller[]): void {
  const tokens = callers.map((name) => {
    const sha256 = createHash('sha256').update(`token-of-${name}`).digest('hex');
    const [role, owner] = CALLERS[name];
    return { name, sha256, role, owner };
  });
  const roots = [data];
  const owners = { default: { roots }, vision: { roots }, speech: { roots } };
  writeFileSync(file, JSON.stringify({ owners, tokens }));
}

const spec = (name: string, more: object = {}) => ({
  name,
  dataset: { source: 'image-folder', url: data },
  global_batch_size: 4,
  views: { view: { size: 16 } },
  ...more,
});

beforeAll(async () => {
  await makeImages(data, 9);
  writeTokens(Object.keys(CALLERS) as Caller[]);
  const flags = ['--data', data, '--recipe', 'lesson-cifar10', '--global-batch-size', '4', '--threads', '1'];
  served = await serve(flags, { CROPSTREAM_TOKENS_FILE: file, CROPSTREAM_TOKEN: 'token-of-the-fleet' });
  await as('vision-operator').post<OpenedRun>('/runs', spec('digits'));
  await as('speech-operator').post<OpenedRun>('/runs', spec('digits', { seed: 2 }));
  await as('speech-operator').post<OpenedRun>('/runs', spec('secret', { seed: 3 }));
});

afterAll(async () => {
  await served?.stop();
  folder.remove();
});

/** Every route of the document, its parameters filled in. */
async function routes(): Promise<{ method: string; path: string }[]> {
  const { paths } = await as().get<{ paths: Record<string, object> }>('/openapi.json');
  const values: Record<string, string> = {
    name: 'digits',
    step: '0',
    row: '0',
    view: 'view',
    digest: '0'.repeat(64),
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: path.replace('/api/v1', '').replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? ''),
    })),
  );
}

/** What only operators may, by what a route's path ends with. */
const LOOKS = /\/(pause|resume|steps\/.*|statistics|previews)$/;

test('no route answers without a token, or with a wrong one', async () => {
  const all = await routes();
  expect(all.length).toBeGreaterThan(20);
  for (const { method, path } of all) {
    for (const client of [as(), new ApiClient(served.http, 'wrong')]) {
      const problem = await client.problem(path, { method });
      expect(problem, `${method} ${path}`).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    }
  }
});

test('a trainer may not what is for operators, nor a service what is for either', async () => {
  const denied = { status: 403, code: 'FORBIDDEN' };
  for (const { method, path } of await routes()) {
    if (!LOOKS.test(path) && method !== 'DELETE') continue;
    expect(await as('vision-trainer').problem(path, { method }), `${method} ${path}`).toMatchObject(denied);
  }
  expect(await as('prometheus').problem('/runs')).toMatchObject(denied);
  expect((await as('prometheus').fetch('/status')).status).toBe(200);
  expect((await as('vision-trainer').fetch('/runs/digits')).status).toBe(200);
});

describe('an owner', () => {
  const names = async (caller: Caller, query = '') =>
    (await as(caller).get<Page<Run>>(`/runs${query}`)).items.map(({ owner, name }) => `${owner}/${name}`);

  test('sees their own runs, and the platform sees all', async () => {
    expect(await names('vision-trainer')).toEqual(['vision/digits']);
    expect(await names('speech-operator')).toEqual(['speech/digits', 'speech/secret']);
    expect(await names('platform')).toEqual([
      'default/default',
      'speech/digits',
      'speech/secret',
      'vision/digits',
    ]);
    expect(await names('platform', '?owner=vision')).toEqual(['vision/digits']);
    expect(await as('vision-operator').problem('/runs?owner=speech')).toMatchObject({ code: 'FORBIDDEN' });
  });

  test('learns nothing of the runs of others, whatever is asked', async () => {
    const [{ manifest_digest: digest }] = (await as('speech-operator').get<Page<Run>>('/runs')).items as [
      Run,
    ];
    for (const { method, path } of await routes()) {
      if (!path.includes('digits')) continue;
      const problem = await as('vision-operator').problem(path.replace('digits', 'secret'), { method });
      expect(problem, `${method} ${path}`).toMatchObject({
        status: 404,
        code: 'RUN_NOT_FOUND',
        details: { known: 'digits' },
      });
    }
    const { items } = await as('vision-operator').get<Page<{ runs: string[] }>>('/datasets');
    expect(items).toEqual([expect.objectContaining({ digest, runs: ['digits'] })]);
    expect(await as('platform').problem('/runs/digits')).toMatchObject({ code: 'RUN_AMBIGUOUS' });
    expect((await as('platform').get<Run>('/runs/digits?owner=vision')).owner).toBe('vision');
  });

  test('previews and opens what is within their roots, and nothing else', async () => {
    const inside = spec('new', { dataset: { source: 'image-folder', url: join(data, 'class-1') } });
    const outside = spec('new', { dataset: { source: 'image-folder', url: join(data, 'class-1/../../..') } });
    expect((await as('vision-operator').send('/previews', { spec: inside })).status).toBe(200);
    for (const [path, body] of [
      ['/previews', { spec: outside }],
      ['/runs', outside],
    ] as const) {
      const response = await as('vision-operator').send(path, body);
      expect(await response.json(), path).toMatchObject({ code: 'URL_FORBIDDEN' });
    }
  });

  test('is told of their own runs alone', async () => {
    for await (const { name, data } of as('vision-trainer').events('/events?runs=secret')) {
      if (name === 'gone') {
        expect(data).toMatchObject({ name: 'secret' });
        break;
      }
      expect((data as FleetEvent).runs.map((run) => run.name)).toEqual(['digits']);
      expect((data as FleetEvent).status).toMatchObject({
        runs: 1,
        secured: true,
        principal: { name: 'vision-trainer' },
      });
    }
  });

  test('whose token is revoked reads no further events', async () => {
    const stream = as('speech-operator').events('/events');
    await stream.next();
    writeTokens(['vision-trainer', 'vision-operator', 'platform', 'prometheus']);
    // It ends; the test's own limit is the only one.
    for await (const _ of stream);
    expect(await as('speech-operator').problem('/runs')).toMatchObject({ status: 401 });
  });
});
