import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import {
  BATCH_DIGEST_HEADER,
  type DatasetDetail,
  type FleetEvent,
  type OpenedRun,
  type Page,
  type Preview,
  type Rank,
  type Recipes,
  type Run,
  type RunDetail,
  type RunEvent,
  type Statistics,
  type Status,
  type Step,
  type Substitution,
  type Worker,
} from '@cropstream/api';
import { type Batch, MultiCropLoader, StreamDigest } from '@cropstream/client';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../processes.mjs';
import { ApiClient } from './api-client.js';
import { makeImages, runJson, type Served, serve, temporaryFolder } from './harness.js';

const folder = temporaryFolder();
const data = join(folder.path, 'images');
const spec = {
  dataset: { source: 'image-folder', url: data },
  seed: 3,
  global_batch_size: 8,
  chunk_size: 3,
  views: {
    global: { size: 24, scale: [0.4, 1], transforms: ['horizontal_flip', 'color_jitter', 'normalize'] },
    local: { count: 2, size: 12, scale: [0.05, 0.4], transforms: ['gaussian_blur'] },
  },
};
const SAMPLES = 26;

let served: Served;
let api: ApiClient;

beforeAll(async () => {
  await makeImages(data, SAMPLES - 2);
  for (const name of ['0-bad.jpg', '9-bad.jpg']) writeFileSync(join(data, 'class-0', name), 'no image');
  const file = join(folder.path, 'spec.json');
  writeFileSync(file, JSON.stringify({ ...spec, name: 'served' }));
  served = await serve(['--spec', file, '--threads', '1', '--cells', '1']);
  api = new ApiClient(served.http);
});

afterAll(async () => {
  await served?.stop();
  folder.remove();
});

/** The batches of steps [from, to) as a trainer draws them. */
async function draw(run: string, from: number, to: number, more: object = {}): Promise<Batch[]> {
  const { target } = served;
  const loader = await MultiCropLoader.open({
    target,
    run,
    startStep: from,
    endStep: to,
    endless: true,
    ...more,
  });
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  await loader.close();
  return batches;
}

function digestOf(batch: Batch): string {
  const digest = new StreamDigest();
  digest.update(batch);
  return digest.hex();
}

const open = (name: string, more: object = {}) => api.post<OpenedRun>('/runs', { ...spec, name, ...more });
const close = (name: string) => api.fetch(`/runs/${name}`, { method: 'DELETE' });

describe('the document', () => {
  test('is OpenAPI 3.1, whole, and has every route', async () => {
    const document = await api.get<{ openapi: string; paths: Record<string, object> }>('/openapi.json');
    expect(document.openapi).toBe('3.1.0');
    const text = JSON.stringify(document);
    for (const [, pointer] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      let at: unknown = document;
      for (const key of (pointer ?? '').split('/')) at = (at as Record<string, unknown>)[key];
      expect(at, pointer).toBeTypeOf('object');
    }
    expect(
      Object.entries(document.paths)
        .flatMap(([path, methods]) => Object.keys(methods).map((m) => `${m} ${path}`))
        .sort(),
    ).toMatchInlineSnapshot(`
      [
        "delete /api/v1/runs/{name}",
        "get /api/v1/datasets",
        "get /api/v1/datasets/{digest}",
        "get /api/v1/events",
        "get /api/v1/recipes",
        "get /api/v1/runs",
        "get /api/v1/runs/{name}",
        "get /api/v1/runs/{name}/errors",
        "get /api/v1/runs/{name}/ranks",
        "get /api/v1/runs/{name}/statistics",
        "get /api/v1/runs/{name}/steps/{step}",
        "get /api/v1/runs/{name}/steps/{step}/batch",
        "get /api/v1/runs/{name}/steps/{step}/rows/{row}/source.jpg",
        "get /api/v1/runs/{name}/steps/{step}/rows/{row}/source.png",
        "get /api/v1/runs/{name}/steps/{step}/rows/{row}/views/{view}.png",
        "get /api/v1/runs/{name}/steps/{step}/sheet.png",
        "get /api/v1/runs/{name}/substitutions",
        "get /api/v1/status",
        "get /api/v1/workers",
        "post /api/v1/previews",
        "post /api/v1/runs",
        "post /api/v1/runs/{name}/pause",
        "post /api/v1/runs/{name}/resume",
      ]
    `);
  });

  test('has a page that asks no other host', async () => {
    const response = await fetch(`${served.http}/api/docs/`);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'self'/);
    const page = await response.text();
    expect(page).not.toMatch(/https?:|<script>|<style/);
    expect((await fetch(`${served.http}/api/docs/json`)).status).toBe(200);
    for (const [, path] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const { status } = await fetch(new URL(path ?? '', response.url));
      expect(status, path).toBe(200);
    }
  });
});

describe('runs', () => {
  test('are opened from a spec, listed by pages, shown, and closed', async () => {
    const created = await api.send('/runs', { ...spec, name: 'opened' });
    expect(created.status).toBe(201);
    const run = (await created.json()) as OpenedRun;
    expect(run).toMatchObject({ name: 'opened', owner: 'default', state: 'active', created: true });
    expect((await api.send('/runs', { ...spec, name: 'opened' })).status).toBe(200);
    const shown = await api.get<RunDetail>('/runs/opened');
    expect(shown).toMatchObject({ digest: run.digest, samples: SAMPLES, steps_per_epoch: 3 });
    expect(shown.spec).toMatchObject({ seed: 3, global_batch_size: 8 });
    const first = await api.get<Page<Run>>('/runs?limit=1');
    expect(first.items.map(({ name }) => name)).toEqual(['opened']);
    const second = await api.get<Page<Run>>(`/runs?limit=1&cursor=${first.next_cursor}`);
    expect(second).toMatchObject({ items: [{ name: 'served' }], next_cursor: null });
    expect((await close('opened')).status).toBe(204);
    expect(await api.problem('/runs/opened')).toMatchObject({ status: 404, code: 'RUN_NOT_FOUND' });
  });

  test.each<[string, string, RequestInit, number, string, RegExp]>([
    ['of a spec that says nothing', '/runs', json({}), 400, 'SPEC_INCOMPLETE', /dataset/],
    ['of a field that there is not', '/runs', json({ ...spec, sede: 1 }), 400, 'SPEC_INVALID', /sede/],
    ['of another digest', '/runs', json({ ...spec, name: 'served', seed: 4 }), 409, 'RUN_CONFLICT', /seed/],
    ['of a page too large', '/runs?limit=201', {}, 400, 'SPEC_INVALID', /limit/],
    ['of a cursor that no page gave', '/runs?cursor=zzz', {}, 400, 'SPEC_INVALID', /cursor/],
    ['of a query that there is not', '/runs?lmit=1', {}, 400, 'SPEC_INVALID', /lmit/],
    ['of a step that is none', '/runs/served/steps/x', {}, 400, 'SPEC_INVALID', /step/],
    ['of a rank of no world', '/runs/served/steps/0?rank=2&world=2', {}, 400, 'RANK_OUT_OF_RANGE', /rank 2/],
    [
      'of a row beyond the batch',
      '/runs/served/steps/0/rows/8/source.jpg',
      {},
      400,
      'SPEC_INVALID',
      /which has 8/,
    ],
    [
      'of a view of no run',
      '/runs/served/steps/0/rows/0/views/local_7.png',
      {},
      400,
      'SPEC_INVALID',
      /local_1/,
    ],
    ['of a manifest that nobody has', `/datasets/${'0'.repeat(64)}`, {}, 404, 'MANIFEST_NOT_FOUND', /0000/],
  ])('tell what is wrong %s', async (_, path, init, status, code, detail) => {
    expect(await api.problem(path, init)).toMatchObject({
      ...{ status, code, type: `urn:cropstream:error:${code}` },
      detail: expect.stringMatching(detail),
    });
  });

  test('wait while they are paused, and go on with the same batches', async () => {
    await open('paused');
    const paused = await api.post<Run>('/runs/paused/pause');
    expect(paused.state).toBe('paused');
    let drawn = false;
    const drawing = draw('paused', 0, 2, { consumer: 'patient', timeoutMs: 5_000 }).finally(() => {
      drawn = true;
    });
    const attached = async () => (await api.get<Page<Rank>>('/runs/paused/ranks')).items;
    await until('the trainer is attached', async () => (await attached()).length === 1);
    const [rank] = await attached();
    expect(rank).toMatchObject({ consumer: 'patient', rank: 0, world_size: 1, next_step: 0 });
    // Longer than its limit for a batch: nothing else could be waited for.
    await pass(7_000);
    expect(drawn).toBe(false);
    expect((await api.post<Run>('/runs/paused/resume')).state).toBe('active');
    const batches = await drawing;
    expect(batches.map(digestOf)).toEqual((await draw('served', 0, 2)).map(digestOf));
    await close('paused');
  });

  test('that are closed end their trainers for good', async () => {
    await open('closed', { seed: 9 });
    const drawing = draw('closed', 0, 1_000_000, { consumer: 'endless' });
    drawing.catch(() => {});
    await until('it draws', async () => (await api.get<Run>('/runs/closed')).latest_step !== null);
    await close('closed');
    await expect(drawing).rejects.toMatchObject({ code: 'RUN_CLOSED' });
  });
});

describe('past batches', () => {
  test.each([
    [0, 0, 1],
    [4, 1, 2],
    [7, 3, 4],
  ])(
    'step %i of rank %i of %i is replayed bit for bit, looked into, and drawn',
    async (step, rank, world) => {
      const [batch] = await draw('served', step, step + 1, {
        rank,
        worldSize: world,
        consumer: `c${rank}`,
        params: true,
      });
      if (batch === undefined) throw new Error('nothing was drawn');
      const at = `/runs/served/steps/${step}`;
      const whose = `rank=${rank}&world=${world}`;

      const { bytes, headers } = await api.bytes(`${at}/batch?${whose}`);
      expect(headers.get(BATCH_DIGEST_HEADER)).toBe(digestOf(batch));
      expect(headers.get('content-length')).toBe(String(bytes.length));
      const files = unzip(bytes);
      for (const [name, { data }] of batch.views) {
        const npy = files.get(`${name}.npy`) as Buffer;
        expect(
          npy
            .subarray(npy.indexOf('\n') + 1)
            .equals(Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
        ).toBe(true);
      }

      const described = await api.get<Step>(`${at}?${whose}&rows=64`);
      expect(described).toMatchObject({ step, rank, world_size: world, samples: batch.length });
      expect(described.rows.map(({ index }) => BigInt(index))).toEqual([...batch.indices]);
      expect(described.rows.map(({ label }) => BigInt(label))).toEqual([...batch.labels]);
      expect(described.rows.map(({ path }) => path)).toEqual(batch.fields.get('path'));
      expect(
        described.rows.flatMap(({ row, substituted }) => (substituted ? [[row, substituted.index]] : [])),
      ).toEqual(batch.substitutions.map(({ row, originalIndex }) => [row, originalIndex]));

      const local = batch.views.get('local_1')?.data as Uint8Array;
      for (const { row } of described.rows) {
        const { bytes: png } = await api.bytes(`${at}/rows/${row}/views/local_1.png?${whose}`);
        const pixels = await sharp(png).raw().toBuffer();
        const planar = local.subarray(row * 432, (row + 1) * 432);
        expect(
          pixels.equals(Buffer.from(planar.map((_, i) => planar[(i % 3) * 144 + Math.floor(i / 3)] ?? 0))),
        ).toBe(true);
      }
      const source = await sharp((await api.bytes(`${at}/rows/0/source.png?${whose}`)).bytes).metadata();
      expect({ width: source.width, height: source.height }).toEqual(described.rows[0]?.source);
      const sheet = await sharp((await api.bytes(`${at}/sheet.png?${whose}&rows=2`)).bytes).metadata();
      expect(sheet.format).toBe('png');
    },
  );

  test('come with pictures where they are asked for', async () => {
    const { rows } = await api.get<Step>('/runs/served/steps/1?rows=2&first_row=3&pictures=true');
    expect(rows.map(({ row }) => row)).toEqual([3, 4]);
    expect(rows[0]?.pictures?.source).toMatch(/^data:image\/jpeg;base64,/);
    expect(rows[0]?.pictures?.views).toHaveLength(3);
    const [box] = rows[0]?.views.map((view) => view.box) ?? [];
    expect(box?.every(Number.isInteger)).toBe(true);
    expect(await api.problem('/runs/served/steps/1?rows=17&pictures=true')).toMatchObject({
      code: 'SPEC_INVALID',
    });
  });

  test('have the digest that `cropstream pull --digests` writes', async () => {
    const file = join(folder.path, 'digests');
    const flags = ['--run', 'served', '--from-step', '5', '--steps', '1', '--digests', file];
    await runJson(['pull', '--target', served.target, ...flags, '--consumer', 'cli']);
    const { headers } = await api.bytes('/runs/served/steps/5/batch');
    expect(readFileSync(file, 'utf8')).toContain(headers.get(BATCH_DIGEST_HEADER));
  });
});

describe('what an operator looks at', () => {
  test('bad samples are reported, newest first, by pages', async () => {
    await draw('served', 0, 6, { consumer: 'reports' });
    const all = await api.get<Page<Substitution>>('/runs/served/substitutions');
    expect(all.items.length).toBeGreaterThanOrEqual(2);
    expect(all.items[0]).toMatchObject({
      code: 'SAMPLE_UNSUPPORTED',
      path: expect.stringMatching(/-bad\.jpg$/),
    });
    const first = await api.get<Page<Substitution>>('/runs/served/substitutions?limit=1');
    expect(first.items).toEqual([all.items[0]]);
    const second = await api.get<Page<Substitution>>(
      `/runs/served/substitutions?limit=1&cursor=${first.next_cursor}`,
    );
    expect(second.items).toEqual([all.items[1]]);
    expect((await api.get<Run>('/runs/served')).substitutions_total).toBeGreaterThanOrEqual(all.items.length);
  });

  test('chunks that failed for good are reported with their error', async () => {
    await open('strict', { on_bad_sample: 'fail', seed: 1 });
    await expect(draw('strict', 0, 6, { consumer: 'strict' })).rejects.toMatchObject({
      code: 'SAMPLE_UNSUPPORTED',
    });
    const { items } = await api.get<Page<{ code: string; problem: string }>>('/runs/strict/errors');
    expect(items[0]).toMatchObject({
      code: 'SAMPLE_UNSUPPORTED',
      problem: expect.stringMatching(/-bad\.jpg/),
    });
    await close('strict');
  });

  test('statistics compare what is drawn with what is configured', async () => {
    const { groups, samples, bad } = await api.get<Statistics>('/runs/served/statistics?samples=60');
    expect(samples + bad).toBe(60);
    expect(groups.map(({ scale }) => scale)).toEqual([
      [0.4, 1],
      [0.05, 0.4],
    ]);
    expect(groups[1]?.observed?.scale.total).toBe(2 * samples);
    expect(groups[1]?.expected?.scale).toHaveLength(groups[1]?.observed?.scale.counts.length ?? 0);
  });

  test('workers, datasets and the fleet are there', async () => {
    const { items: workers } = await api.get<Page<Worker>>('/workers');
    expect(workers[0]).toMatchObject({ slots: 1, runs: expect.any(Array) });
    const { items: datasets } = await api.get<Page<{ digest: string; samples: number }>>('/datasets');
    expect(datasets[0]).toMatchObject({ samples: SAMPLES, classes: 3 });
    const detail = await api.get<DatasetDetail>(`/datasets/${datasets[0]?.digest}?limit=5`);
    expect(detail.items.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    const rest = await api.get<DatasetDetail>(
      `/datasets/${datasets[0]?.digest}?limit=200&cursor=${detail.next_cursor}`,
    );
    expect(rest).toMatchObject({ items: { length: SAMPLES - 5 }, next_cursor: null });
    expect(await api.get<Status>('/status')).toMatchObject({
      ...{ secured: false, workers: 1, slots: 1 },
      principal: { name: 'everybody', role: 'operator' },
    });
  });

  test('recipes are spelled out, and are views that a spec may hold', async () => {
    const { recipes, spec_schema } = await api.get<Recipes>('/recipes');
    expect(recipes.map(({ name }) => name)).toContain('dino');
    expect(spec_schema).toMatchObject({ properties: { seed: expect.anything() } });
    const dino = recipes.find(({ name }) => name === 'dino');
    const views = Object.fromEntries((dino?.views ?? []).map(({ name, ...view }) => [name, view]));
    const preview = (input: object) =>
      api.post<Preview>('/previews', { spec: { ...spec, ...input }, images: 1 });
    const [named, spelled] = [await preview({ recipe: 'dino', views: undefined }), await preview({ views })];
    expect(spelled.rows).toEqual(named.rows);
  });

  test('a preview shows what a spec would give, and opens nothing', async () => {
    const preview = await api.post<Preview>('/previews', { spec: { ...spec, name: 'unopened' }, images: 3 });
    expect(preview).toMatchObject({ samples: SAMPLES, rows: { length: 3 } });
    const { rows } = await api.get<Step>('/runs/served/steps/0?rows=3');
    expect(preview.rows).toEqual(rows);
    const sheet = await api.send('/previews', { spec }, { accept: 'image/png' });
    expect(sheet.headers.get('content-type')).toBe('image/png');
    expect((await sharp(Buffer.from(await sheet.arrayBuffer())).metadata()).format).toBe('png');
    expect((await api.get<Page<Run>>('/runs')).items.map(({ name }) => name)).toEqual(['served']);
    const elsewhere = {
      ...spec,
      dataset: { ...spec.dataset, url: join(data, 'class-1') },
      views: { v: { size: 8 } },
    };
    expect((await api.post<Preview>('/previews', { spec: elsewhere })).samples).toBeLessThan(SAMPLES);
    for (const [body, code] of [
      [{ spec, images: 17 }, 'SPEC_INVALID'],
      [{ spec: { ...spec, views: { v: { size: -1 } } } }, 'SPEC_INVALID'],
      [{ spec: { ...spec, dataset: { source: 'image-folder', url: '/nowhere' } } }, 'DATASET_NOT_FOUND'],
    ] as const) {
      expect(await api.problem('/previews', json(body))).toMatchObject({ code });
    }
  });

  test('events are snapshots of the fleet and of the runs that were asked for', async () => {
    const drawing = draw('served', 0, 30, { consumer: 'watched' });
    const seen: { name: string; data: unknown }[] = [];
    for await (const event of api.events('/events?runs=served,nowhere')) {
      seen.push(event);
      if (seen.length >= 6) break;
    }
    await drawing;
    const of = (name: string) => seen.filter((event) => event.name === name).map((event) => event.data);
    const fleet = of('fleet') as FleetEvent[];
    expect(fleet).toHaveLength(2);
    expect(Date.parse(fleet[1]?.status.at ?? '')).toBeGreaterThan(Date.parse(fleet[0]?.status.at ?? ''));
    expect(fleet[0]?.runs.map(({ name }) => name)).toEqual(['served']);
    const [run] = of('run') as RunEvent[];
    expect(run?.run.name).toBe('served');
    expect(of('gone')[0]).toMatchObject({ name: 'nowhere' });
    expect(await api.problem('/events?runs=nothing,'.concat('a,'.repeat(40)))).toMatchObject({
      code: 'SPEC_INVALID',
    });
  });
});

function json(body: object): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
}

/** The files of a ZIP without compression, by its central directory. */
function unzip(zip: Buffer): Map<string, Buffer> {
  const end = zip.length - 22;
  const files = new Map<string, Buffer>();
  for (let at = zip.readUInt32LE(end + 16); at < end; ) {
    const [size, nameLength, local] = [
      zip.readUInt32LE(at + 24),
      zip.readUInt16LE(at + 28),
      zip.readUInt32LE(at + 42),
    ];
    const from = local + 30 + nameLength;
    files.set(zip.toString('utf8', at + 46, at + 46 + nameLength), zip.subarray(from, from + size));
    at += 46 + nameLength;
  }
  return files;
}
