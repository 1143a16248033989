import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readByLibrary, rowsOf, streamOf, upload, writeByLibrary } from '../data/one-digest.js';
import { makeImages, runJson, temporaryFolder } from '../integration/harness.js';
import { type S3Server, startMoto } from '../s3-servers.mjs';

const python = process.env.CROPSTREAM_DATA_PYTHON ?? '';
const folder = temporaryFolder();
const images = join(folder.path, 'images');

let server: S3Server;
let expected: string;

beforeAll(async () => {
  await makeImages(images, 24);
  expected = await streamOf('image-folder', images);
  server = await startMoto(python);
}, 120_000);

afterAll(async () => {
  await server?.kill();
  folder.remove();
});

it.each(['litdata', 'litdata-zstd'])(
  'the real library’s %s gives the stream of the folder, on a disk and on S3',
  async (kind) => {
    const out = join(folder.path, kind);
    await writeByLibrary(python, kind, images, out);
    expect(await streamOf('litdata', out)).toBe(expected);
    await upload(server, out, kind);
    expect(await streamOf('litdata', `s3://${kind}`, { env: server.env })).toBe(expected);
  },
  240_000,
);

it.each(['none', 'zstd'])(
  'litdata reads what was converted, compression %s',
  async (compression) => {
    const out = join(folder.path, `converted-${compression}`);
    const flags = ['--to', 'litdata', '--compression', compression, '--shard-samples', '7'];
    await runJson(['convert', '--data', images, ...flags, '--out', out]);
    expect(await readByLibrary(python, 'litdata', out)).toEqual(rowsOf(images));
  },
  240_000,
);
