// Several datasets in one run, over the real service: by their weights, the same at every world size, from any step, and made
// again from the spec.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Batch, MultiCropLoader } from '@cropstream/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { globalDigest } from './global-stream.js';
import { makeImages, run, runJson, type Served, serve, temporaryFolder } from './harness.js';

const folder = temporaryFolder();
const many = join(folder.path, 'many');
const few = join(folder.path, 'few');
const file = join(folder.path, 'mix.json');
const STEPS = 9;

const spec = {
  name: 'mixed',
  seed: 11,
  global_batch_size: 6,
  views: { global: { size: 24, transforms: ['horizontal_flip'] }, local: { count: 2, size: 12 } },
  dataset: {
    source: 'mix',
    mode: 'choose',
    datasets: [
      { source: 'image-folder', url: many, weight: 2 },
      { source: 'image-folder', url: few, weight: 1 },
    ],
  },
  epoch_size: 18,
  shuffle: 'window',
  shuffle_window: { block_size: 4, blocks: 2, run_size: 2 },
};

let served: Served;

beforeAll(async () => {
  await makeImages(many, 20, 2);
  await makeImages(few, 4, 3);
  writeFileSync(file, JSON.stringify(spec));
  served = await serve(['--spec', file]);
});

afterAll(async () => {
  await served?.stop();
  folder.remove();
});

async function draw(rank: number, worldSize: number, from = 0, to = STEPS): Promise<Batch[]> {
  const world = { rank, worldSize, startStep: from, endStep: to };
  const loader = await MultiCropLoader.open({
    target: served.target,
    ...world,
    endless: true,
    consumer: `${worldSize}-${from}`,
  });
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  await loader.close();
  return batches;
}

describe('a mix', () => {
  test('gives every batch its shares, and an epoch as many draws as it should have', async () => {
    const batches = await draw(0, 1);
    expect(batches.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    for (const { indices, fields } of batches) {
      const datasets = [...indices].map((id) => (id < 20n ? 0 : 1));
      expect([...(fields.get('dataset') as BigInt64Array)].map(Number)).toEqual(datasets);
      expect(datasets.filter((dataset) => dataset === 1)).toHaveLength(2);
    }
    const drawn = batches.flatMap(({ indices }) => [...indices].map(Number).filter((id) => id < 20));
    expect(new Set(drawn.slice(0, 20)).size).toBe(20);
  });

  test('crops a sample that an epoch draws twice in two ways', async () => {
    const [first] = [(await draw(0, 1)).slice(0, 3)];
    const crops = new Map<bigint, string[]>();
    for (const batch of first) {
      const { data } = batch.view('global');
      for (const [row, id] of batch.indices.entries()) {
        const crop = Buffer.from(data.buffer, data.byteOffset + row * 3 * 24 * 24, 3 * 24 * 24).toString(
          'base64',
        );
        crops.set(id, [...(crops.get(id) ?? []), crop]);
      }
    }
    const twice = [...crops.values()].filter(({ length }) => length > 1);
    expect(twice).toHaveLength(2); // six draws of four samples
    for (const [a, b] of twice) expect(a).not.toBe(b);
  });

  test('has labels of the classes of both, once each', async () => {
    for (const { labels, fields } of await draw(0, 1)) {
      const names = (fields.get('path') as string[]).map((path) => `class-${path.split('/')[0]?.slice(-1)}`);
      expect([...labels].map((label) => `class-${label}`)).toEqual(names);
    }
  });

  test('is one stream at every world size, from any step, and from its spec alone', async () => {
    const whole = await draw(0, 1);
    const digest = globalDigest([whole]);
    for (const worldSize of [2, 3]) {
      const ranks = await Promise.all(Array.from({ length: worldSize }, (_, rank) => draw(rank, worldSize)));
      expect(globalDigest(ranks)).toBe(digest);
    }
    expect(globalDigest([await draw(0, 1, 5)])).toBe(globalDigest([whole.slice(5)]));
    const replayed = await runJson<{ digest: string }>([
      'replay',
      '--spec',
      file,
      '--step',
      '0',
      '--steps',
      String(STEPS),
    ]);
    expect(replayed.digest).toBe(digest);
  });

  test('is refused where a dataset is, by its place in the list', async () => {
    const wrong = {
      ...spec,
      dataset: { ...spec.dataset, datasets: [{ source: 'image-folder', url: many, weight: 0 }] },
    };
    const path = join(folder.path, 'wrong.json');
    writeFileSync(path, JSON.stringify(wrong));
    const { code, stderr } = await run(['index', '--spec', path]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/dataset\.datasets\[0\]\.weight/);
  });
});
