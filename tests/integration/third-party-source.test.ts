import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeImages, run, runJson, serve, temporaryFolder } from './harness.js';

const module = fileURLToPath(new URL('../../examples/sources/csv-labels.mjs', import.meta.url));
const folder = temporaryFolder();
const data = join(folder.path, 'data');
const spec = join(folder.path, 'run.yaml');

beforeAll(async () => {
  await makeImages(data, 12);
  const paths = readdirSync(data).flatMap((name) =>
    readdirSync(join(data, name)).map((file) => `${name}/${file}`),
  );
  const list = paths.map((path, i) => `${path},${i % 2 ? 'odd' : 'even'}\n`).join('');
  writeFileSync(join(data, 'list.csv'), list);
  const dataset = { source: 'csv-labels', url: data, list: 'list.csv' };
  writeFileSync(spec, JSON.stringify({ dataset, recipe: 'dino', global_batch_size: 4, seed: 3 }));
}, 60_000);

afterAll(() => folder.remove());

test('a third-party source is served, and its batches are made again', async () => {
  const flags = ['--spec', spec, '--source-module', module];
  const service = await serve([...flags, '--threads', '1']);
  const drawn = await runJson<{ digest: string; images: number }>(['pull', '--target', service.target]);
  expect(await service.stop()).toBe(0);
  expect(drawn.images).toBe(12);
  const again = await runJson<{ digest: string }>(['replay', ...flags, '--steps', '3']);
  expect(again.digest).toBe(drawn.digest);
});

test('its facts are those of its manifest, and it is converted like any other', async () => {
  const flags = ['--spec', spec, '--source-module', module];
  expect(await runJson(['index', ...flags])).toMatchObject({
    source: 'csv-labels@1.0.0',
    samples: 12,
    classes: [
      { name: 'even', samples: 6 },
      { name: 'odd', samples: 6 },
    ],
  });
  const out = join(folder.path, 'shards');
  const converted = await runJson(['convert', ...flags, '--to', 'litdata', '--out', out]);
  expect(converted).toMatchObject({ samples: 12, classes: 2 });
});

test('without its module it is no source, and the error says where it comes from', async () => {
  const { code, stderr } = await run(['index', '--spec', spec]);
  expect(code).toBe(2);
  expect(stderr).toContain('"csv-labels"');
  expect(stderr).toMatch(/--source-module/);
});
