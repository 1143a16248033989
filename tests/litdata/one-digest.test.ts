import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { streamOf, upload, writeByLibrary } from '../data/one-digest.js';
import { makeImages, temporaryFolder } from '../integration/harness.js';
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
