import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test-support/folders.js';
import { type DatasetConfigInput, datasetSchema, indexDataset, openDataset } from '../index.js';

const FINE = Array.from({ length: 100 }, (_, i) => `fine ${i}`);
const COARSE = Array.from({ length: 20 }, (_, i) => `coarse ${i}`);
const fineOf = (record: number) => (7 * record + 3) % 100;
const coarseOf = (record: number) => (3 * record + 1) % 20;
const pixel = (record: number, channel: number, at: number) => (record * 31 + channel * 85 + at * 3) & 0xff;

async function writeCifar(folder: string, { records = 5, names = true } = {}) {
  await mkdir(folder, { recursive: true });
  const bytes = Buffer.alloc(records * 3074);
  for (let record = 0; record < records; record++) {
    bytes[record * 3074] = coarseOf(record);
    bytes[record * 3074 + 1] = fineOf(record);
    for (let i = 0; i < 3072; i++) bytes[record * 3074 + 2 + i] = pixel(record, i >> 10, i & 1023);
  }
  await writeFile(join(folder, 'train.bin'), bytes);
  await writeFile(join(folder, 'test.bin'), bytes.subarray(0, 2 * 3074));
  if (names) {
    await writeFile(join(folder, 'fine_label_names.txt'), `${FINE.join('\n')}\n`);
    await writeFile(join(folder, 'coarse_label_names.txt'), `${COARSE.join('\n')}\n`);
  }
  return folder;
}

const index = (url: string, more: object = {}) =>
  indexDataset(datasetSchema.parse({ source: 'cifar100', url, ...more } as DatasetConfigInput));

describe('cifar100', () => {
  it('has fine labels, and the coarse ones as a field', async () => {
    const url = await writeCifar(await temporaryFolder());
    const { manifest } = await index(url);
    expect(manifest).toMatchObject({ length: 5, classes: FINE });
    expect(manifest.fields.map(({ name }) => name)).toEqual(['path', 'coarse_label']);
    const sample = await openDataset(url, manifest).read(3);
    expect(sample).toMatchObject({
      label: fineOf(3),
      fields: { path: 'train.bin#3', coarse_label: coarseOf(3) },
    });
    const expected = Uint8Array.from({ length: 3072 }, (_, i) => pixel(3, i % 3, Math.floor(i / 3)));
    expect(sample.pixels?.data).toEqual(expected);
  });

  it('has coarse labels where they are asked for, and the fine ones as a field', async () => {
    const outer = await temporaryFolder();
    await writeCifar(join(outer, 'cifar-100-binary'));
    const { manifest } = await index(outer, { labels: 'coarse', split: 'test' });
    expect(manifest).toMatchObject({ length: 2, classes: COARSE });
    const sample = await openDataset(outer, manifest).read(1);
    expect(sample).toMatchObject({
      label: coarseOf(1),
      fields: { path: 'test.bin#1', fine_label: fineOf(1) },
    });
  });

  it('wants the file of its classes, and the binary version', async () => {
    const url = await writeCifar(await temporaryFolder(), { names: false });
    await expect(index(url)).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      problem: expect.stringContaining('fine_label_names.txt is not valid: it is missing'),
    });
    const python = await temporaryFolder();
    await writeFile(join(python, 'meta'), '');
    await expect(index(python)).rejects.toMatchObject({ problem: expect.stringContaining('Python version') });
  });

  it('says of a record that another label is there now', async () => {
    const url = await writeCifar(await temporaryFolder());
    const { manifest } = await index(url);
    await writeFile(join(url, 'train.bin'), Buffer.alloc(5 * 3074, 19));
    await expect(openDataset(url, manifest).read(0)).rejects.toMatchObject({
      code: 'DATASET_CHANGED',
      problem: expect.stringContaining('had label 3 when it was indexed and has 19 now'),
    });
  });
});
