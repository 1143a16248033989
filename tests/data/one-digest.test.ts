import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeImages, runJson, temporaryFolder } from '../integration/harness.js';
import { type S3Server, startMoto } from '../s3-servers.mjs';
import { readByLibrary, rowsOf, streamOf, upload, writeByLibrary } from './one-digest.js';

const python = process.env.CROPSTREAM_DATA_PYTHON ?? '';
const folder = temporaryFolder();
const images = join(folder.path, 'images');
const SAMPLES = 24;

let server: S3Server;
let expected: string;

beforeAll(async () => {
  await makeImages(images, SAMPLES);
  expected = await streamOf('image-folder', images);
  server = await startMoto(python);
}, 120_000);

afterAll(async () => {
  await server?.kill();
  folder.remove();
});

const byConvert =
  (...flags: string[]) =>
  async (out: string) => {
    const asked = [
      'convert',
      '--data',
      images,
      '--shard-samples',
      '7',
      '--threads',
      '1',
      ...flags,
      '--out',
      out,
    ];
    expect(await runJson(asked)).toMatchObject({ samples: SAMPLES, shards: 4 });
  };
const byLibrary = (kind: string) => (out: string) => writeByLibrary(python, kind, images, out);

const WRITTEN = [
  ['litdata', 'convert', byConvert('--to', 'litdata')],
  ['litdata', 'convert, compressed', byConvert('--to', 'litdata', '--compression', 'zstd')],
  ['webdataset', 'convert', byConvert('--to', 'webdataset')],
  ['webdataset', 'its own library', byLibrary('webdataset')],
  ['parquet', "Hugging Face's datasets", byLibrary('parquet')],
] as const;

it('webdataset reads what was converted', async () => {
  const out = join(folder.path, 'for-webdataset');
  await byConvert('--to', 'webdataset')(out);
  expect(await readByLibrary(python, 'webdataset', out)).toEqual(rowsOf(images));
});

describe('the same images give one stream digest', () => {
  it('in another order, when their numbers are mapped', async () => {
    const order = Array.from({ length: SAMPLES }, (_, i) => (5 * i + 3) % SAMPLES);
    const there = join(folder.path, 'order.json');
    const back = join(folder.path, 'back.json');
    writeFileSync(there, JSON.stringify(order));
    writeFileSync(back, JSON.stringify(order.map((_, i) => order.indexOf(i))));
    const out = join(folder.path, 'reordered');
    await byConvert('--to', 'webdataset', '--subset', there)(out);
    const mixed = await streamOf('webdataset', out);
    expect(mixed).not.toBe(expected);
    expect(await streamOf('image-folder', images, { subset: there })).toBe(mixed);
    expect(await streamOf('webdataset', out, { subset: back })).toBe(expected);
  });

  it('as a folder on S3', async () => {
    await upload(server, images, 'folder');
    expect(await streamOf('image-folder', 's3://folder', { env: server.env })).toBe(expected);
  });

  it.each(WRITTEN)('as %s written by %s, on a disk and on S3', async (source, by, write) => {
    const name = `${source}-${by}`.toLowerCase().replace(/[^a-z]+/g, '-');
    const out = join(folder.path, name);
    await write(out);
    expect(await streamOf(source, out)).toBe(expected);
    await upload(server, out, name);
    expect(await streamOf(source, `s3://${name}`, { env: server.env })).toBe(expected);
  });
});
