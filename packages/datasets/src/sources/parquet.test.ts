import { readFileSync } from 'node:fs';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CropstreamError } from '@cropstream/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test-support/folders.js';
import { thriftList, thriftStruct } from '../../test-support/thrift.js';
import { type DatasetConfigInput, datasetSchema, indexDataset, openDataset } from '../index.js';

/** Written by pyarrow: scripts/parquet_golden.py. Nine rows in two row groups, and in one with pages of two rows. */
const GOLDEN = ['tiny.parquet', 'tiny-pages.parquet'].map((name) =>
  fileURLToPath(new URL(`../../golden/${name}`, import.meta.url)),
);
const [GROUPS = '', PAGES = ''] = GOLDEN;

const config = (url: string, more: object = {}) =>
  datasetSchema.parse({ source: 'parquet', url, ...more } as DatasetConfigInput);

/** A folder of files, each a copy of one. */
async function folderWith(names: readonly string[], from = GROUPS): Promise<string> {
  const url = await temporaryFolder();
  for (const name of names) {
    await mkdir(join(url, name, '..'), { recursive: true });
    await copyFile(from, join(url, name));
  }
  return url;
}

async function samplesOf(url: string, more: object = {}) {
  const { manifest } = await indexDataset(config(url, more));
  const reader = openDataset(url, manifest);
  const samples = [];
  for (let i = 0; i < manifest.length; i++) {
    const { encoded, ...rest } = await reader.read(i);
    samples.push({ image: Buffer.from(encoded ?? []).toString(), ...rest });
  }
  return samples;
}

describe('parquet', () => {
  it.each(GOLDEN)('reads rows by their columns: %s', async (golden) => {
    const url = await folderWith(['a.parquet'], golden);
    expect(await samplesOf(url)).toEqual(
      Array.from({ length: 9 }, (_, i) => ({
        image: String.fromCharCode(65 + i).repeat(5 + i),
        label: i % 2,
        path: `a.parquet#${i}`,
        fields: {
          path: `${i}.jpg`,
          caption: i === 4 ? '' : `image ${i % 3}`,
          score: i / 4,
          good: Number(i % 3 === 0),
        },
      })),
    );
  });

  it('has the same samples in the same order from any files that hold them', async () => {
    const strip = (samples: readonly { image: string; label: number }[]) =>
      samples.map(({ image, label }) => ({ image, label }));
    const one = await samplesOf(await folderWith(['a.parquet']));
    const two = await samplesOf(await folderWith(['x/1.parquet', 'x/0.parquet'], PAGES));
    expect(strip(two)).toEqual([...strip(one), ...strip(one)]);
  });

  it.each([
    [
      ['train-00000-of-00001.parquet', 'test-00000-of-00001-abc123.parquet'],
      'train',
      ['train-00000-of-00001.parquet'],
    ],
    [['default/train/0000.parquet', 'default/test/0000.parquet'], 'test', ['default/test/0000.parquet']],
    [['train.parquet', 'validation.parquet'], 'validation', ['validation.parquet']],
    [
      ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet'],
      undefined,
      ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet'],
    ],
  ])('has of %j the split %s', async (names, split, expected) => {
    const url = await folderWith(names);
    const { manifest } = await indexDataset(config(url, { split }));
    const paths = Array.from({ length: manifest.length }, (_, i) => manifest.pathOf(i).split('#')[0]);
    expect([...new Set(paths)]).toEqual(expected);
  });

  it.each([
    [{ split: 'dev' }, 'SPEC_INVALID', /one of test, train/],
    [{}, 'SPEC_INVALID', /dataset\.split.*one of test, train/],
    [{ split: 'train', image_field: 'caption' }, 'DATASET_MALFORMED', /"caption" has no images/],
    [{ split: 'train', label_field: 'score' }, 'DATASET_MALFORMED', /"score" has no labels/],
    [{ shards: 'train-{00000..00001}-of-00001.parquet' }, 'DATASET_NOT_FOUND', /train-00001/],
  ])('says what is wrong with %j', async (more, code, message) => {
    const url = await folderWith(['train-00000-of-00001.parquet', 'test-00000-of-00001.parquet']);
    await expect(indexDataset(config(url, more))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('names the file without images, and the folder without files', async () => {
    const url = await temporaryFolder();
    await expect(indexDataset(config(url))).rejects.toMatchObject({ code: 'DATASET_EMPTY' });
    await writeFile(join(url, 'a.parquet'), 'PAR1 and no more PAR1');
    await expect(indexDataset(config(url))).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { path: 'a.parquet' },
    });
  });

  it.each([
    [
      'columns without a name',
      [
        thriftStruct([[5, 1]]),
        thriftStruct([
          [1, 6],
          [3, 0],
        ]),
      ],
      /schema is cut/,
    ],
    ['more columns than it has', [thriftStruct([[5, 2 ** 31 - 1]])], /schema is cut/],
    ['no columns', [thriftStruct([[5, 0]])], /no columns: none holds bytes/],
  ])('refuses a footer of %s', async (_, schema, reason) => {
    const footer = thriftStruct([
      [1, 1],
      [2, thriftList(12, schema.length, schema)],
      [3, 0],
      [4, thriftList(12, 0)],
    ]);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    const url = await temporaryFolder();
    const mark = Buffer.from('PAR1');
    await writeFile(join(url, 'a.parquet'), Buffer.concat([mark, footer, length, mark]));
    await expect(indexDataset(config(url))).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { path: 'a.parquet', reason: expect.stringMatching(reason) },
    });
  });

  it('takes labels by the names of classes, and a text as one', async () => {
    const url = await folderWith(['a.parquet']);
    const more = { label_field: 'caption', classes: ['image 1', 'image 0', 'image 2'] };
    expect((await samplesOf(url, more)).map(({ label }) => label)).toEqual([1, 0, 2, 1, -1, 2, 1, 0, 2]);
    const { manifest } = await indexDataset(config(url, { ...more, classes: ['image 0'] }));
    await expect(openDataset(url, manifest).read(1)).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { path: 'a.parquet#1', reason: expect.stringContaining('"image 1" is not one of 1 classes') },
    });
  });

  it('notices files that changed under the run', async () => {
    const url = await folderWith(['a.parquet']);
    const { manifest } = await indexDataset(config(url));
    await copyFile(PAGES, join(url, 'a.parquet'));
    await expect(openDataset(url, manifest).read(0)).rejects.toMatchObject({ code: 'DATASET_CHANGED' });
    const bytes = readFileSync(GROUPS);
    // A byte of the footer, and not of its structure.
    bytes[bytes.indexOf('parquet-cpp')]! ^= 1;
    await writeFile(join(url, 'a.parquet'), bytes);
    await expect(openDataset(url, manifest).read(0)).rejects.toMatchObject({ code: 'DATASET_CHANGED' });
  });

  it('reads nothing outside its root because a list says so', async () => {
    const outside = await folderWith(['x.parquet']);
    const url = await folderWith(['a.parquet']);
    await symlink(join(outside, 'x.parquet'), join(url, 'link.parquet'));
    for (const name of ['../x.parquet', join(outside, 'x.parquet'), 'link.parquet']) {
      await writeFile(join(url, 'list.txt'), name);
      await expect(indexDataset(config(url, { shards: 'list.txt' }))).rejects.toMatchObject({
        code: 'DATASET_MALFORMED',
      });
    }
  });

  it.each(GOLDEN)('ends on any damaged file, with samples or one of its own errors: %s', async (golden) => {
    const url = await temporaryFolder();
    const whole = readFileSync(golden);
    const flip = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    const damage = fc.record({
      cut: fc.oneof(fc.constant(0), fc.nat(whole.length)),
      flips: fc.array(flip, { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ cut, flips }) => {
        const bytes = Buffer.from(whole);
        for (const [at, byte] of flips) bytes[at] = byte;
        await writeFile(join(url, 'a.parquet'), bytes.subarray(cut));
        try {
          await samplesOf(url);
        } catch (error) {
          expect(error).toBeInstanceOf(CropstreamError);
          expect((error as CropstreamError).code).toMatch(/^DATASET_(?:MALFORMED|EMPTY)$/);
        }
      }),
      { numRuns: 300 },
    );
  });
});
