import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoImages } from '../demo/demo-images.js';
import { cropstream, cropstreamJson } from '../testing/cli.js';

let folder: string;
let data: string;
let next = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cropstream-convert-'));
  data = join(folder, 'data');
  await makeDemoImages(data, { count: 24 });
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const place = () => join(folder, `out-${next++}`);

interface Summary {
  readonly shards: number;
  readonly shards_kept: number;
  readonly resized: number;
  readonly bad: readonly { path: string; problem: string }[];
}

const convert = (...flags: string[]) => cropstreamJson<Summary>('convert', '--data', data, ...flags);

/** Everything in a folder by its name. */
async function contents(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path)).toSorted();
  const files = names.map(async (name) => [name, (await readFile(join(path, name))).toString('base64')]);
  return Object.fromEntries(await Promise.all(files)) as Record<string, string>;
}

/** Digest of the first step of a run over a dataset: pixels, numbers, labels and paths. */
async function streamOf(source: string, path: string, samples = 24): Promise<string> {
  const flags = ['--source', source, '--data', path, '--recipe', 'eval', '--seed', '3'];
  return (
    await cropstreamJson<{ digest: string }>('replay', ...flags, '--global-batch-size', String(samples))
  ).digest;
}

const KINDS = [
  ['litdata', 'none'],
  ['litdata', 'zstd'],
  ['webdataset', 'none'],
] as const;

describe.each(KINDS)('convert to %s, compression %s', (format, compression) => {
  const flags = ['--to', format, '--compression', compression, '--shard-samples', '5'];

  test('gives the same stream as the folder it was made of', async () => {
    const out = place();
    const summary = await convert(...flags, '--out', out);
    expect(summary).toMatchObject({ samples: 24, shards: 5, shards_kept: 0, resized: 0, bad: [] });
    expect(await streamOf(format, out)).toBe(await streamOf('image-folder', data));
    const classes = JSON.parse(await readFile(join(out, 'classes.json'), 'utf8')) as string[];
    expect(classes).toEqual(['boats', 'fish', 'fruit', 'houses', 'mountains', 'signs']);
  });

  test('makes what is missing, and then the bytes of a run that was not stopped', async () => {
    const whole = place();
    await convert(...flags, '--out', whole, '--threads', '2');
    const out = place();
    await convert(...flags, '--out', out, '--threads', '1');
    expect(await contents(out)).toEqual(await contents(whole));
    const names = Object.keys(await contents(out)).filter((name) => !name.endsWith('.json'));
    await rm(join(out, names[1] as string));
    await rm(join(out, names[3] as string));
    expect(await convert(...flags, '--out', out)).toMatchObject({ shards: 5, shards_kept: 3 });
    expect(await contents(out)).toEqual(await contents(whole));
  });
});

test('of pixels makes PNGs, and fields ride along', async () => {
  const cifar = join(folder, 'cifar');
  await mkdir(cifar);
  const record = (i: number) =>
    Buffer.from([i % 3, i % 5, ...Array.from({ length: 3072 }, (_, at) => (at * i) & 255)]);
  await writeFile(join(cifar, 'train.bin'), Buffer.concat(Array.from({ length: 6 }, (_, i) => record(i))));
  await writeFile(join(cifar, 'fine_label_names.txt'), 'a\nb\nc\nd\ne\n');
  for (const format of ['litdata', 'webdataset']) {
    const out = place();
    const summary = await cropstreamJson('convert', '--data', cifar, '--to', format, '--out', out);
    const fields = [
      { name: 'path', dtype: 'string' },
      { name: 'coarse_label', dtype: 'int64' },
    ];
    expect(summary).toMatchObject({ samples: 6, resized: 0, classes: 5, fields });
    expect(await streamOf(format, out, 6)).toBe(await streamOf('cifar100', cifar, 6));
  }
});

test('goes on after kill -9', async () => {
  const flags = ['--to', 'webdataset', '--shard-samples', '1', '--short-side', '64', '--threads', '1'];
  const whole = place();
  await convert(...flags, '--out', whole);
  const out = place();
  const bin = fileURLToPath(new URL('../../bin/cropstream.js', import.meta.url));
  const child = spawn(process.execPath, [bin, 'convert', '--data', data, ...flags, '--out', out]);
  const ended = once(child, 'exit');
  const shards = async () => (await readdir(out).catch(() => [])).filter((name) => name.endsWith('.tar'));
  await expect.poll(async () => (await shards()).length, { timeout: 30_000, interval: 2 }).toBeGreaterThan(1);
  child.kill('SIGKILL');
  await ended;
  const left = (await shards()).length;
  const summary = await convert(...flags, '--out', out);
  expect(summary).toMatchObject({ shards: 24, shards_kept: left });
  expect(await contents(out)).toEqual(await contents(whole));
}, 60_000);

describe('--short-side', () => {
  test('makes larger images smaller, and says of those that it cannot decode that they stayed', async () => {
    const bad = join(data, 'boats', 'zz-bad.jpg');
    await writeFile(bad, 'no image');
    try {
      const out = place();
      const summary = await convert(
        '--to',
        'webdataset',
        '--out',
        out,
        '--short-side',
        '64',
        '--long-side',
        '80',
      );
      expect(summary).toMatchObject({ resized: 24, bad: [{ path: 'boats/zz-bad.jpg' }] });
      const sheets = place();
      const { images } = await cropstreamJson<{ images: number }>(
        ...['augment', '--data', out, '--source', 'webdataset', '--recipe', 'eval', '--out', sheets],
      );
      expect(images).toBe(24);
    } finally {
      await rm(bad);
    }
  });

  test('copies what would not become smaller', async () => {
    const out = place();
    const summary = await convert('--to', 'litdata', '--out', out, '--short-side', '4000');
    expect(summary.resized).toBe(0);
    expect(await streamOf('litdata', out)).toBe(await streamOf('image-folder', data));
  });

  test('keeps an EXIF orientation beside pixels that are as they were', async () => {
    const turned = join(folder, 'turned');
    await rm(turned, { recursive: true, force: true });
    await makeDemoImages(turned, { count: 1 });
    const [name = ''] = await readdir(join(turned, 'boats'));
    const path = join(turned, 'boats', name);
    await writeFile(path, await sharp(path).withMetadata({ orientation: 6 }).jpeg().toBuffer());
    const before = await sharp(path).metadata();
    const out = place();
    await cropstream('convert', '--data', turned, '--to', 'webdataset', '--out', out, '--short-side', '64');
    const [tar = ''] = (await readdir(out)).filter((entry) => entry.endsWith('.tar'));
    const bytes = await readFile(join(out, tar));
    const image = bytes.subarray(bytes.indexOf(Buffer.from('ffd8ff', 'hex')));
    const after = await sharp(image, { failOn: 'none' }).metadata();
    expect(after.orientation).toBe(6);
    expect(Math.min(after.width, after.height)).toBe(64);
    expect(after.width > after.height).toBe(before.width > before.height);
  });
});

describe('asked wrongly', () => {
  test.each([
    [['--quality', '90'], 'SPEC_INCOMPLETE', /--short-side/],
    [['--long-side', '512'], 'SPEC_INCOMPLETE', /--short-side/],
    [['--short-side', '256', '--long-side', '255'], 'SPEC_INVALID', /--long-side/],
    [['--compression', 'zstd'], 'SPEC_INVALID', /--compression: zstd .* none with --to webdataset/],
  ] as const)('%j', async (flags, code, problem) => {
    const asked = convert('--to', 'webdataset', '--out', place(), ...flags);
    await expect(asked).rejects.toMatchObject({ code, problem: expect.stringMatching(problem) });
  });

  test('to a url', async () => {
    await expect(convert('--to', 'litdata', '--out', 's3://bucket/x')).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      problem: expect.stringContaining('a folder of this machine'),
    });
  });

  test('into the folder of another conversion', async () => {
    const out = place();
    await convert('--to', 'litdata', '--out', out);
    await expect(convert('--to', 'litdata', '--out', out, '--compression', 'zstd')).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      problem: expect.stringContaining('begun with compression none, not zstd'),
    });
  });
});
