import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoImages } from '../demo/demo-images.js';
import { cropstream, cropstreamJson } from '../testing/cli.js';
import type { ParamsFile } from './augment.js';

let folder: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cropstream-cli-'));
  data = join(folder, 'data');
  await makeDemoImages(data, { count: 9 });
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const out = (name: string) => join(folder, name);

const sizeOf = async (path: string) => {
  const { width, height, format } = await sharp(path).metadata();
  return { width, height, format };
};

describe('augment', () => {
  test('writes a PNG for every view, and the parameters that made it', async () => {
    const image = join(data, 'boats', 'boats-00.jpg');
    await cropstream('augment', '--image', image, '--seed', '5', '--out', out('augment'));
    const names = await readdir(out('augment'));
    expect(names.toSorted()).toEqual([
      'global_0.png',
      'global_1.png',
      ...Array.from({ length: 8 }, (_, i) => `local_${i}.png`),
      'params.json',
    ]);
    expect(await sizeOf(out('augment/global_1.png'))).toEqual({ width: 224, height: 224, format: 'png' });
    expect(await sizeOf(out('augment/local_7.png'))).toEqual({ width: 96, height: 96, format: 'png' });
    const params = JSON.parse(await readFile(out('augment/params.json'), 'utf8')) as ParamsFile;
    expect(params).toMatchObject({ image: 'boats-00.jpg', seed: 5, epoch: 0, index: 0, recipe: 'dino' });
    expect(Object.keys(params.views.global_1 ?? {})).toEqual([
      'box',
      'size',
      'interpolation',
      'flip',
      'color_jitter',
      'grayscale',
      'blur',
      'solarize',
    ]);
  });

  test('gives other crops for another epoch, seed or index, and the same for the same', async () => {
    const image = join(data, 'fish', 'fish-00.jpg');
    const params = async (...flags: string[]) => {
      await cropstream('augment', '--image', image, '--out', out('again'), ...flags);
      return JSON.stringify(
        (JSON.parse(await readFile(out('again/params.json'), 'utf8')) as ParamsFile).views,
      );
    };
    const first = await params();
    expect(await params()).toBe(first);
    for (const flag of ['--epoch', '--seed', '--index']) expect(await params(flag, '1')).not.toBe(first);
  });

  test('passes over bad files of a dataset and names them; a bad image alone is an error', async () => {
    const bad = join(data, 'boats', 'empty.jpg');
    await writeFile(bad, '');
    try {
      const result = await cropstreamJson<{ images: number; bad: { path: string; code: string }[] }>(
        ...['augment', '--data', data, '--recipe', 'eval', '--out', out('all')],
      );
      expect(result.images).toBe(9);
      expect(result.bad).toMatchObject([{ path: 'boats/empty.jpg', code: 'SAMPLE_UNDECODABLE' }]);
      await expect(cropstream('augment', '--image', bad, '--out', out('bad'))).rejects.toMatchObject({
        code: 'SAMPLE_UNDECODABLE',
      });
    } finally {
      await rm(bad);
    }
  });

  test('refuses a file over the limit by its size, before it is read', async () => {
    const huge = join(data, 'boats', 'huge.jpg');
    await writeFile(huge, '');
    await truncate(huge, 5 * 2 ** 30);
    try {
      const result = await cropstreamJson<{ images: number; bad: { path: string; code: string }[] }>(
        ...['augment', '--data', data, '--recipe', 'eval', '--out', out('huge')],
      );
      expect(result.images).toBe(9);
      expect(result.bad).toMatchObject([{ path: 'boats/huge.jpg', code: 'SAMPLE_OVER_LIMIT' }]);
      const drawn = await cropstream('preview', '--data', data, '--out', out('huge.png'));
      expect(drawn.stderr).not.toContain('array length');
      await expect(cropstream('augment', '--image', huge, '--out', out('huge'))).rejects.toMatchObject({
        code: 'SAMPLE_OVER_LIMIT',
      });
    } finally {
      await rm(huge);
    }
  });

  test('speaks of the image where it cannot be read', async () => {
    await expect(cropstream('augment', '--image', out('nope.jpg'))).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      problem: expect.stringMatching(/^the image .*nope\.jpg cannot be read: /),
    });
  });
});

describe('preview', () => {
  test('draws a contact sheet of the images asked for', async () => {
    const file = out('preview.png');
    const result = await cropstreamJson<{ samples: { index: number }[]; views: string[] }>(
      ...['preview', '--data', data, '--index', '2,0', '--out', file],
    );
    expect(result.samples.map(({ index }) => index)).toEqual([2, 0]);
    expect(result.views).toHaveLength(10);
    const { width = 0, height = 0, format } = await sizeOf(file);
    expect(format).toBe('png');
    expect(width).toBeGreaterThan(2 * 224);
    expect(height).toBeGreaterThan(3 * 224 + 8 * 96);
  });

  test('draws the effects of a view’s steps, and one image over epochs', async () => {
    const effects = await cropstreamJson(
      'preview',
      '--data',
      data,
      '--effects',
      '--images',
      '2',
      '--out',
      out('e.png'),
    );
    expect(effects).toHaveProperty('samples.length', 2);
    const epochs = await cropstreamJson('preview', '--data', data, '--epochs', '3', '--out', out('o.png'));
    expect(epochs).toHaveProperty('samples.length', 1);
    await expect(
      cropstream('preview', '--data', data, '--effects', '--view', 'global_9', '--out', out('x.png')),
    ).rejects.toMatchObject({ code: 'SPEC_INVALID' });
  });

  test('says when EXIF rotation matters', async () => {
    const rotated = join(data, 'boats', 'rotated.jpg');
    await sharp(join(data, 'boats', 'boats-00.jpg'))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(rotated);
    try {
      const { stderr } = await cropstream('preview', '--data', data, '--images', '1', '--out', out('r.png'));
      expect(stderr).toContain('1 of 10 files has an EXIF orientation other than upright; it is ignored');
    } finally {
      await rm(rotated);
    }
  });
});

describe('stats', () => {
  test('finds boxes within the configured ranges and steps at their rates', async () => {
    interface Stats {
      readonly samples: number;
      readonly crops_per_image: number;
      readonly bytes_per_sample: number;
      readonly groups: readonly {
        views: string[];
        scale: number[];
        observed: { scale: { min: number; max: number } };
      }[];
      readonly rates: readonly { step: string; configured: number; observed: number }[];
    }
    const stats = await cropstreamJson<Stats>(
      'stats',
      '--data',
      data,
      '--images',
      '900',
      '--out',
      out('stats.png'),
    );
    expect(stats).toMatchObject({
      samples: 900,
      crops_per_image: 10,
      bytes_per_sample: 3 * (2 * 224 ** 2 + 8 * 96 ** 2),
    });
    expect(stats.groups.map(({ views }) => views.length)).toEqual([2, 8]);
    for (const { scale, observed } of stats.groups) {
      expect(observed.scale.min).toBeGreaterThan((scale[0] ?? 0) - 0.01);
      expect(observed.scale.max).toBeLessThan((scale[1] ?? 0) + 0.01);
    }
    // Five standard deviations of 900 draws.
    for (const { configured: p, observed } of stats.rates) {
      expect(Math.abs(observed - p)).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / 900));
    }
    expect((await sizeOf(out('stats.png'))).format).toBe('png');
  });
});

describe('replay', () => {
  interface Replayed {
    readonly digest: string;
    readonly batches: readonly { step: number; epoch: number; samples: number; digest: string }[];
  }
  const replay = (...flags: string[]) =>
    cropstreamJson<Replayed>('replay', '--data', data, '--global-batch-size', '4', ...flags);

  test('makes the same bytes with other threads and the other decoder, and others with another seed', async () => {
    const { digest, batches } = await replay('--steps', '3', '--threads', '2');
    expect(batches.map(({ step, epoch, samples }) => [step, epoch, samples])).toEqual([
      [0, 0, 4],
      [1, 0, 4],
      [2, 1, 4],
    ]);
    expect((await replay('--steps', '3', '--threads', '1', '--decoder', 'sharp')).digest).toBe(digest);
    expect((await replay('--steps', '3', '--seed', '1')).digest).not.toBe(digest);
    const alone = await replay('--epoch', '1', '--step-in-epoch', '0');
    expect(alone.digest).toBe(batches[2]?.digest);
  });

  test('writes a rank’s tensors as NumPy arrays and a picture of them', async () => {
    await replay('--rank', '1', '--world', '2', '--step', '1', '--out', out('batch'));
    const array = await readFile(out('batch/local_3.npy'));
    expect(array.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
    const header = array.subarray(10, 10 + array.readUInt16LE(8)).toString('latin1');
    expect(header).toContain("'descr': '|u1'");
    expect(header).toContain("'shape': (2, 3, 96, 96)");
    expect(array.length).toBe(10 + header.length + 2 * 3 * 96 * 96);
    expect((10 + header.length) % 64).toBe(0);
    expect(Object.keys(JSON.parse(await readFile(out('batch/fields.json'), 'utf8')))).toEqual(['path']);
    expect((await sizeOf(out('batch/batch.png'))).format).toBe('png');
  });

  test('keeps a tail where the flag asks for it', async () => {
    const whole = await replay('--epoch', '0', '--step-in-epoch', '2', '--no-drop-last');
    expect(whole.batches[0]?.samples).toBe(1);
  });

  test('cuts a batch unevenly only where that is allowed, as pull does', async () => {
    await expect(replay('--world', '3')).rejects.toMatchObject({ code: 'WORLD_INDIVISIBLE' });
    expect((await replay('--world', '3', '--uneven')).batches[0]?.samples).toBe(2);
  });

  test('refuses a rank outside its world', async () => {
    await expect(replay('--rank', '2', '--world', '2')).rejects.toMatchObject({ code: 'RANK_OUT_OF_RANGE' });
  });
});

test('index counts samples, classes and files that cannot be decoded', async () => {
  await writeFile(join(data, 'fish', 'page.jpg'), '<!doctype html><html></html>');
  try {
    const facts = await cropstreamJson<{
      inspection: { bad: number; groups: { fix: string; kind: string }[] };
    }>(...['index', '--data', data]);
    expect(facts).toMatchObject({
      source: 'image-folder',
      samples: 10,
      inspection: { inspected: 10, bad: 1 },
    });
    expect(facts.inspection.groups.find(({ kind }) => kind !== 'supported')?.fix).not.toBe('');
  } finally {
    await rm(join(data, 'fish', 'page.jpg'));
  }
});

describe('index --out', () => {
  test('writes a manifest that says the same without its dataset', async () => {
    const file = out('files.manifest');
    const { url, inspection, ...facts } = await cropstreamJson('index', '--data', data, '--out', file);
    expect(facts).toMatchObject({ samples: 9, sample_bytes: { min: expect.any(Number) } });
    const again = await cropstreamJson('index', '--manifest', file);
    expect(again).toEqual({ ...facts, indexes: { kept: 0, missing: 0 } });
  });

  test("keeps shards' indexes beside it, and counts those that are gone", async () => {
    const shards = out('shards');
    await cropstream(
      'convert',
      '--data',
      data,
      '--to',
      'webdataset',
      '--shard-samples',
      '4',
      '--out',
      shards,
    );
    // Without the index of the shards, theirs have to be made.
    await rm(join(shards, 'shardindex.json'));
    const file = out('shards.manifest');
    const made = await cropstreamJson('index', '--data', shards, '--source', 'webdataset', '--out', file);
    expect(made).toMatchObject({ samples: 9, shards: { count: 3, samples: { min: 1, median: 4, max: 4 } } });
    const parts = await readdir(`${file}.parts`);
    expect(parts).toHaveLength((made.shards as { indexed: number }).indexed);
    await rm(join(`${file}.parts`, parts[0] ?? ''));
    const { indexes } = await cropstreamJson('index', '--manifest', file);
    expect(indexes).toEqual({ kept: parts.length, missing: 1 });
  });

  test('tells a damaged manifest from a whole one', async () => {
    const file = out('damaged.manifest');
    await cropstream('index', '--data', data, '--out', file);
    const bytes = await readFile(file);
    bytes[bytes.length - 40]! ^= 1;
    await writeFile(file, bytes);
    const path = file;
    const refused = (reason: RegExp) => ({
      code: 'DATASET_MALFORMED',
      details: { path, reason: expect.stringMatching(reason) },
    });
    await expect(cropstream('index', '--manifest', file)).rejects.toMatchObject(refused(/./));
    bytes.write('CSMANIF9', 'latin1');
    await writeFile(file, bytes);
    await expect(cropstream('index', '--manifest', file)).rejects.toMatchObject(
      refused(/another version of Cropstream \(CSMANIF9; this one reads CSMANIF1\)/),
    );
    await writeFile(file, 'hello');
    await expect(cropstream('index', '--manifest', file)).rejects.toMatchObject(
      refused(/^it is no manifest$/),
    );
  });
});

test('spec prints a spec that is the same run again', async () => {
  const printed = await cropstream('spec', '--data', data, '--recipe', 'swav', '--seed', '7');
  const file = out('printed.yaml');
  await writeFile(file, printed.stdout);
  expect(printed.stdout).toContain('scale: [0.14, 1]');
  const again = await cropstreamJson<{ run_digest: string; spec: object }>('spec', '--spec', file);
  expect(printed.stdout).toContain(`# run digest ${again.run_digest}, `);
  expect(again.spec).toMatchObject({ recipe: 'swav', seed: 7, global_batch_size: 9 });
});

test('bench prints exactly the documented object', async () => {
  const result = await cropstreamJson<Record<string, unknown>>(
    'bench',
    '--data',
    data,
    '--images',
    '8',
    '--threads',
    '1',
  );
  expect(result).toMatchObject({ recipe: 'dino', images: 8, threads: 1 });
  expect(Object.keys(result.ms_per_image as object)).toEqual([
    'decode',
    'resize',
    'color',
    'blur',
    'pack',
    'total',
  ]);
  expect(result.crops_per_second).toBeCloseTo(10 * Number(result.images_per_second));
  expect(result.decode_only).toHaveProperty('images_per_second');
});

test('doctor looks at machine and dataset, and fails where a service does not answer', async () => {
  interface Report {
    readonly checks: readonly { name: string; status: string; fix?: string }[];
  }
  const { checks } = await cropstreamJson<Report>(
    ...['doctor', '--data', data, '--images', '4', '--target', '127.0.0.1:1', '--threads', '1'],
  );
  expect(process.exitCode).toBe(1);
  process.exitCode = 0;
  const status = Object.fromEntries(checks.map((check) => [check.name, check.status]));
  expect(status).toMatchObject({
    node: 'ok',
    pixels: 'ok',
    service: 'fail',
    'view sizes': 'ok',
    files: 'ok',
    decoding: 'ok',
  });
  for (const check of checks) if (check.status !== 'ok') expect(check.fix).toBeTruthy();
});
