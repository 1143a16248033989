import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderOf, temporaryFolder } from '../../test-support/folders.js';
import { indexFiles } from '../../test-support/index-files.js';
import { type DatasetConfigInput, openDataset } from '../index.js';

const CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

/** The byte of a fixture's plane at a place: differs by file, record, channel and pixel. */
const pixel = (file: number, record: number, channel: number, at: number) =>
  (file * 7 + record * 31 + channel * 85 + at * 3 + (at >> 5)) & 0xff;
const labelOf = (file: number, record: number) => (file + 3 * record) % 10;

function batch(file: number, records: number): Buffer {
  const bytes = Buffer.alloc(records * 3073);
  for (let record = 0; record < records; record++) {
    bytes[record * 3073] = labelOf(file, record);
    for (let i = 0; i < 3072; i++) bytes[record * 3073 + 1 + i] = pixel(file, record, i >> 10, i & 1023);
  }
  return bytes;
}

async function writeCifar(folder: string, { meta = `${CLASSES.join('\n')}\n\n`, records = 4 } = {}) {
  await mkdir(folder, { recursive: true });
  for (let file = 1; file <= 5; file++)
    await writeFile(join(folder, `data_batch_${file}.bin`), batch(file, records));
  await writeFile(join(folder, 'test_batch.bin'), batch(6, 3));
  if (meta !== '') await writeFile(join(folder, 'batches.meta.txt'), meta);
  return folder;
}

const index = (url: string, more: Partial<DatasetConfigInput> = {}) =>
  indexFiles({ source: 'cifar10', url, ...more } as DatasetConfigInput);

describe('cifar10', () => {
  it('has the train files in order, by default, and the test file', async () => {
    const url = await writeCifar(await temporaryFolder());
    const train = (await index(url)).manifest;
    expect(train.length).toBe(20);
    expect(train.classes).toEqual(CLASSES);
    expect([0, 4, 19].map((i) => train.pathOf(i))).toEqual([
      'data_batch_1.bin#0',
      'data_batch_2.bin#0',
      'data_batch_5.bin#3',
    ]);
    expect(train.labelOf(6)).toBe(labelOf(2, 2));
    const test = (await index(url, { split: 'test' } as Partial<DatasetConfigInput>)).manifest;
    expect(test.length).toBe(3);
    expect(test.pathOf(2)).toBe('test_batch.bin#2');
  });

  it('gives pixels interleaved, row by row', async () => {
    const url = await writeCifar(await temporaryFolder());
    const { manifest } = await index(url);
    const reader = openDataset(url, manifest);
    const sample = await reader.read(9);
    const expected = Uint8Array.from({ length: 3072 }, (_, i) => pixel(3, 1, i % 3, Math.floor(i / 3)));
    expect(sample.pixels).toMatchObject({ width: 32, height: 32 });
    expect(sample.pixels?.data).toEqual(expected);
    expect(sample).toMatchObject({
      label: labelOf(3, 1),
      path: 'data_batch_3.bin#1',
      fields: { path: 'data_batch_3.bin#1' },
    });
    expect(sample.encoded).toBeUndefined();
    expect(await reader.head(0, 64)).toBeNull();
  });

  it('is the same dataset in its archive folder, from either url', async () => {
    const outer = await temporaryFolder();
    const inner = await writeCifar(join(outer, 'cifar-10-batches-bin'));
    const fromOuter = (await index(outer)).manifest;
    const fromInner = (await index(inner)).manifest;
    expect(fromOuter.digest).toBe(fromInner.digest);
    for (const url of [outer, inner]) {
      expect((await openDataset(url, fromOuter).read(5)).label).toBe(labelOf(2, 1));
    }
  });

  it('reads more records than fit one read', async () => {
    const url = await writeCifar(await temporaryFolder(), { records: 1201 });
    const { manifest } = await index(url);
    expect(manifest.length).toBe(6005);
    expect(manifest.labelOf(1200)).toBe(labelOf(1, 1200));
    expect((await openDataset(url, manifest).read(2401)).label).toBe(labelOf(2, 1200));
  });

  it('uses the usual class names where the file of names is missing, and says so', async () => {
    const { manifest, notices } = await index(await writeCifar(await temporaryFolder(), { meta: '' }));
    expect(manifest.classes).toEqual(CLASSES);
    expect(notices).toEqual([expect.stringContaining('batches.meta.txt is missing')]);
  });

  it.each([
    [['data_batch_1', 'data_batch_2'], /Python version/],
    [['cifar-10-batches-py/data_batch_1'], /Python version/],
    [['cifar-10-binary.tar.gz'], /unpack it first/],
    [
      ['data_batch_1.bin', 'data_batch_2.bin'],
      /^data_batch_3\.bin, data_batch_4\.bin, data_batch_5\.bin not found/,
    ],
    [['a.jpg'], /^data_batch_1\.bin, .* not found in it or in its cifar-10-batches-bin/],
  ])('says what is wrong with a folder of %j', async (entries, reason) => {
    const url = await folderOf(entries);
    await expect(index(url)).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { reason: expect.stringMatching(reason) },
    });
  });

  it.each([
    ['cut in a record', batch(1, 2).subarray(0, 5000), /not a whole number of records/],
    ['empty', Buffer.alloc(0), /not a whole number of records/],
    ['with a label of no class', Buffer.alloc(3073, 10), /record 0 has label 10/],
  ])('refuses a file that is %s', async (_, bytes, reason) => {
    const url = await writeCifar(await temporaryFolder());
    await writeFile(join(url, 'data_batch_4.bin'), bytes);
    await expect(index(url)).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { path: 'data_batch_4.bin', reason: expect.stringMatching(reason) },
    });
  });

  it('notices a file that changed under the run', async () => {
    const url = await writeCifar(await temporaryFolder());
    const { manifest } = await index(url);
    const reader = openDataset(url, manifest);
    await writeFile(join(url, 'data_batch_1.bin'), batch(2, 1));
    await expect(reader.read(0)).rejects.toMatchObject({
      code: 'DATASET_CHANGED',
      details: { path: 'data_batch_1.bin#0' },
    });
    await expect(reader.read(3)).rejects.toMatchObject({ code: 'DATASET_CHANGED' });
  });
});
