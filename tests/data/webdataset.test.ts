import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeDemoImages } from '@cropstream/cli';
import {
  type DatasetConfigInput,
  datasetSchema,
  indexDataset,
  openDataset,
  type Sample,
  type ShardSample,
  shardFormat,
} from '@cropstream/datasets';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const python = process.env.CROPSTREAM_DATA_PYTHON;
const script = fileURLToPath(new URL('./webdataset_shards.py', import.meta.url));
const run = promisify(execFile);

/** A sample as the library has it. */
interface LibrarySample {
  readonly key: string;
  readonly jpg: string;
  readonly cls: number | null;
  readonly json: Readonly<Record<string, unknown>> | null;
  readonly members: readonly string[];
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function readByLibrary(folder: string, pattern: string): Promise<LibrarySample[]> {
  const { stdout } = await run(python ?? '', [script, 'read', folder, pattern], { maxBuffer: 2 ** 26 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function readByUs(url: string, more: Partial<DatasetConfigInput> = {}): Promise<Sample[]> {
  const { manifest } = await indexDataset(datasetSchema.parse({ source: 'webdataset', url, ...more }));
  const reader = openDataset(url, manifest);
  const samples = Array.from({ length: manifest.length }, (_, i) => reader.read(i));
  return Promise.all(samples);
}

describe.skipIf(python === undefined)('the real webdataset', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cropstream-webdataset-'));
    await run(python ?? '', [script, 'write', folder]);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['train-{000000..000005}.tar', 40],
    ['other-gnu.tar', 6],
    ['other-pax.tar', 6],
  ])('writes shards that are read as it reads them: %s', async (shards, count) => {
    const expected = await readByLibrary(folder, shards);
    expect(expected).toHaveLength(count);
    const samples = await readByUs(folder, { shards } as Partial<DatasetConfigInput>);
    expect(
      samples.map(({ encoded, label, fields }) => [
        fields.path,
        sha256(encoded as Uint8Array),
        label,
        fields.width,
      ]),
    ).toEqual(expected.map(({ key, jpg, cls, json }) => [key, jpg, cls, json?.width]));
    expect(samples[1]?.fields).toEqual({
      'caption.txt': '',
      name: 'süß 1',
      none: '',
      path: '000001',
      ratio: 0.125,
      width: 41,
    });
    expect(samples[4]?.fields['caption.txt']).toBe('image 4\n');
  });

  test('gives another member of its samples as the image', async () => {
    const samples = await readByUs(folder, {
      shards: 'other-pax.tar',
      image_field: 'seg.png',
    } as Partial<DatasetConfigInput>);
    expect(samples).toHaveLength(1);
    expect(Buffer.from(samples[0]?.encoded as Uint8Array).toString('latin1', 1, 4)).toBe('PNG');
  });

  test('reads shards that are written here', async () => {
    const out = await mkdtemp(join(folder, 'written-'));
    const names = await makeDemoImages(join(folder, 'images'), { count: 5 });
    const format = shardFormat('webdataset');
    const options = {
      classes: ['a', 'b'],
      fields: { path: 'string', score: 'float64' },
      compression: 'none',
    } as const;
    const samples: ShardSample[] = [];
    for (const [i, name] of names.entries()) {
      samples.push({
        key: `${String(i).padStart(9, '0')}${'k'.repeat(i * 40)}`,
        encoded: new Uint8Array(await readFile(join(folder, 'images', name))),
        extension: 'jpg',
        label: i - 1,
        fields: { path: `süß/${name}`, score: i === 2 ? Number.NaN : i / 2 },
      });
    }
    const shards = [samples.slice(0, 3), samples.slice(3)];
    const written = [];
    for (const [i, shard] of shards.entries()) {
      const bytes = await format.encode(shard, options);
      const name = format.shardName(i, shards.length, options);
      await writeFile(join(out, name), bytes);
      written.push({ name, samples: shard.length, bytes: bytes.length });
    }
    for (const { name, bytes } of format.index(written, options)) await writeFile(join(out, name), bytes);

    const byLibrary = await readByLibrary(out, 'shard-{000000..000001}.tar');
    expect(byLibrary.map(({ key, jpg, cls, json }) => [key, jpg, cls, json])).toEqual(
      samples.map(({ key, encoded, label, fields }) => [
        key,
        sha256(encoded),
        label < 0 ? null : label,
        { ...fields, score: Number.isNaN(fields.score) ? null : fields.score },
      ]),
    );
    // By the index of wids that was written, and by the shards alone.
    for (const more of [{}, { shards: '*.tar' } as Partial<DatasetConfigInput>]) {
      expect(await readByUs(out, more)).toEqual(
        samples.map(({ encoded, label, fields }, i) => ({
          encoded,
          label,
          fields,
          path: `shard-00000${Math.floor(i / 3)}.tar#${i % 3}`,
        })),
      );
    }
  });
});
