import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  datasetSchema,
  encodeClasses,
  indexDataset,
  openDataset,
  type Sample,
  type ShardFormatOptions,
  type ShardSample,
  shardFormat,
} from '@cropstream/datasets';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeImages, temporaryFolder } from '../integration/harness.js';
import { clientConfig, startMoto } from '../s3-servers.mjs';

const python = process.env.CROPSTREAM_DATA_PYTHON;
const tool = fileURLToPath(new URL('./litdata_tool.py', import.meta.url));

/** Runs the real library, and gives what it printed. */
const litdata = (...args: string[]) =>
  execFileSync(python as string, [tool, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const readByLibrary = (folder: string): unknown[] =>
  litdata('read', folder)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

interface Original {
  readonly path: string;
  readonly label: number;
  readonly encoded: Buffer;
}

/** Sorted by path, as the tool does. */
function originals(root: string): Original[] {
  const classes = readdirSync(root).sort();
  return classes.flatMap((name, label) =>
    readdirSync(join(root, name))
      .sort()
      .map((file) => ({ path: `${name}/${file}`, label, encoded: readFileSync(join(root, name, file)) })),
  );
}

async function readAll(url: string): Promise<{ samples: Sample[]; notices: readonly string[] }> {
  const { manifest, notices } = await indexDataset(datasetSchema.parse({ source: 'litdata', url }));
  const reader = openDataset(url, manifest);
  try {
    return {
      samples: await Promise.all(Array.from({ length: manifest.length }, (_, id) => reader.read(id))),
      notices,
    };
  } finally {
    await reader.close();
  }
}

describe.skipIf(python === undefined)('litdata', () => {
  const { path: folder, remove } = temporaryFolder();
  const images = join(folder, 'images');
  const out = join(folder, 'out');
  let expected: Original[];

  beforeAll(async () => {
    await makeImages(images, 8);
    expected = originals(images);
    litdata('write', images, out);
  }, 300_000);

  afterAll(() => remove());

  const withPath = (sample: Sample) => ({
    encoded: sha256(sample.encoded as Uint8Array),
    label: sample.label,
    path: sample.fields.path,
  });

  it.each([
    'optimized',
    'arrow',
    'arrow-nulls',
    'plain',
    'zstd-chunk',
    'zstd-batch',
    'zstd-sample',
    'jpeg',
    'others',
  ])('writes what is read byte for byte: %s', async (way) => {
    const { samples } = await readAll(join(out, way));
    expect(samples.map(withPath)).toEqual(
      expected.map(({ path, label, encoded }) => ({ encoded: sha256(encoded), label, path })),
    );
  });

  it.each(['tuple', 'image'])('writes what is read byte for byte, without paths: %s', async (way) => {
    const { samples } = await readAll(join(out, way));
    expect(samples.map(({ encoded, label }) => [sha256(encoded as Uint8Array), label])).toEqual(
      expected.map(({ encoded, label }) => [sha256(encoded), label]),
    );
  });

  it.each([
    ['pil', false],
    ['gray', true],
  ])('writes pixels that are read as they are: %s', async (way, isGray) => {
    const { samples } = await readAll(join(out, way));
    expect(samples).toHaveLength(expected.length);
    for (const [i, { pixels }] of samples.entries()) {
      const { data, info } = await sharp(expected[i]?.encoded)
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect(pixels).toMatchObject({ width: info.width, height: info.height });
      if (!isGray) expect(sha256(pixels?.data as Uint8Array)).toBe(sha256(data));
      else expect(pixels?.data.every((value, at) => value === pixels.data[at - (at % 3)])).toBe(true);
    }
  });

  it('compresses a table that is mostly text, which is read', async () => {
    const url = join(out, 'arrow-zstd');
    expect(JSON.parse(readFileSync(join(url, 'index.json'), 'utf8')).config.ipc_compression).toBe('zstd');
    const { samples } = await readAll(url);
    expect(samples.map(({ encoded, fields }) => [sha256(encoded as Uint8Array), fields.text])).toEqual(
      expected.map(({ encoded }, i) => [sha256(encoded.subarray(0, 400)), `words and ${i} `.repeat(300)]),
    );
  });

  it('writes fields that ride along, and others that are left out by name', async () => {
    const { samples, notices } = await readAll(join(out, 'others'));
    expect(samples[0]?.fields).toEqual({ path: expected[0]?.path, score: 0.25, good: 1 });
    expect(notices.map((notice) => notice.split('"')[1])).toEqual([
      'tensor',
      'array',
      'list',
      'none',
      'box/x',
    ]);
    const captions = (await readAll(join(out, 'arrow-nulls'))).samples.map(({ fields }) => fields.caption);
    expect(captions.slice(0, 3)).toEqual(['caption 0', '', 'caption 2']);
  });

  it('is read from an object store as from a folder', async () => {
    const server = await startMoto(python as string);
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
    const client = new S3Client(clientConfig(server.endpoint));
    try {
      await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
      for (const way of ['optimized', 'plain', 'zstd-chunk', 'zstd-batch']) {
        for (const name of readdirSync(join(out, way))) {
          const Body = readFileSync(join(out, way, name));
          await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: `sets/${way}/${name}`, Body }));
        }
        const there = (await readAll(`s3://bucket/sets/${way}`)).samples;
        expect(there.map(withPath)).toEqual((await readAll(join(out, way))).samples.map(withPath));
      }
      await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: 'sets/plain/index.json' }));
      await expect(readAll('s3://bucket/sets/plain')).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
    } finally {
      client.destroy();
      await server.kill();
      vi.unstubAllEnvs();
    }
  });

  it.each(['none', 'zstd'] as const)(
    'reads what is written here, compression %s',
    async (compression) => {
      const format = shardFormat('litdata');
      const options: ShardFormatOptions = {
        classes: ['a', 'b', 'c'],
        fields: { path: 'string', id: 'int64', score: 'float64' },
        compression,
      };
      const samples = expected.map(({ path, label, encoded }, i): ShardSample => {
        const fields = { path, id: 2 ** 40 + i, score: i / 3 };
        return { key: String(i), encoded, extension: 'jpg', label, fields };
      });
      const url = join(folder, `written-${compression}`);
      mkdirSync(url);
      const parts = [samples.slice(0, 5), samples.slice(5)];
      const shards = [];
      for (const [i, part] of parts.entries()) {
        const name = format.shardName(i, parts.length, options);
        const bytes = await format.encode(part, options);
        writeFileSync(join(url, name), bytes);
        shards.push({ name, samples: part.length, bytes: bytes.length });
      }
      for (const { name, bytes } of format.index(shards, options)) writeFileSync(join(url, name), bytes);
      writeFileSync(join(url, 'classes.json'), encodeClasses(options.classes));

      const byLibrary = readByLibrary(url);
      expect(byLibrary).toEqual(
        samples.map(({ encoded, label, fields }) => ({ image: sha256(encoded), label, ...fields })),
      );
      const read = (await readAll(url)).samples;
      expect(
        read.map(({ encoded, label, fields }) => ({
          image: sha256(encoded as Uint8Array),
          label,
          ...fields,
        })),
      ).toEqual(byLibrary);
    },
    300_000,
  );
});
