import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderOf } from '../test-support/folders.js';
import { indexFiles } from '../test-support/index-files.js';
import { serve } from '../test-support/web-server.js';
import {
  type DatasetConfigInput,
  datasetSchema,
  decodeManifest,
  FileManifest,
  type IndexProgress,
  indexDataset,
  LocalStorage,
  type Manifest,
  openDataset,
} from './index.js';
import { FileManifestBuilder } from './manifests/file-manifest.js';
import { Mix } from './manifests/mix.js';
import { MixReader } from './mix-reader.js';
import { ProgressMeter } from './progress.js';
import type { SampleReader } from './source.js';
import { imageFolder } from './sources/image-folder.js';

const TEN = Array.from({ length: 10 }, (_, i) => `c${i % 2}/${i}.jpg`);

const config = (url: string, more: Partial<DatasetConfigInput> = {}) =>
  datasetSchema.parse({ source: 'image-folder', url, ...more });

describe('a dataset', () => {
  it('may move: its digest and its samples stay', async () => {
    const url = await folderOf(TEN);
    const { manifest } = await indexDataset(config(url));
    const moved = `${url}-moved`;
    await rename(url, moved);
    expect((await indexDataset(config(moved))).manifest.digest).toBe(manifest.digest);
    const reader = openDataset(moved, decodeManifest(manifest.encode()));
    expect(Buffer.from((await reader.read(0)).encoded!).toString()).toBe('c0/0.jpg');
    await rename(moved, url);
  });

  it('may not change: another size or a missing file is its own error', async () => {
    const url = await folderOf(TEN);
    const { manifest } = await indexDataset(config(url));
    const reader = openDataset(url, manifest);
    await writeFile(join(url, 'c0/0.jpg'), 'longer than it was');
    await writeFile(join(url, 'c0/2.jpg'), 'less');
    await rm(join(url, 'c0/4.jpg'));
    const change = (text: RegExp) => ({
      code: 'DATASET_CHANGED',
      details: { change: expect.stringMatching(text) },
    });
    await expect(reader.read(0)).rejects.toMatchObject(change(/had 8 bytes .* has more/));
    await expect(reader.read(1)).rejects.toMatchObject(change(/had 8 bytes .* has only 4/));
    await expect(reader.read(2)).rejects.toMatchObject(change(/is missing/));
    expect((await reader.read(3)).path).toBe('c0/6.jpg');
  });

  it('that is gone as a whole has not changed: that is a failure of the storage', async () => {
    const url = await folderOf(TEN);
    const { manifest } = await indexDataset(config(url));
    await rename(url, `${url}-away`);
    const reader = openDataset(url, manifest);
    await expect(reader.read(0)).rejects.toMatchObject({ code: 'SAMPLE_IO', retryable: true });
    await rename(`${url}-away`, url);
    expect((await reader.read(0)).path).toBe('c0/0.jpg');
  });

  it('fails with the reason when a sample cannot be read', async () => {
    const url = await folderOf(TEN);
    const { manifest } = await indexFiles(config(url));
    const denied = async () =>
      Promise.reject(Object.assign(new Error('EACCES: made up'), { code: 'EACCES' }));
    const fs = { ...(await import('node:fs/promises')), open: denied };
    const reader = imageFolder.open(manifest, new LocalStorage(url, { fs: fs as never }));
    const failed = { code: 'DATASET_DENIED', details: { path: 'c0/0.jpg', reason: 'EACCES: made up' } };
    await expect(reader.read(0)).rejects.toMatchObject(failed);
    await expect(reader.head(0, 64)).rejects.toMatchObject(failed);
  });

  it('reads the head of a file alone', async () => {
    const url = await folderOf(TEN);
    const { manifest } = await indexDataset(config(url));
    const reader = openDataset(url, manifest);
    expect(Buffer.from((await reader.head(0, 4))!).toString()).toBe('c0/0');
    expect(await reader.head(0, 400)).toHaveLength(8);
  });

  it('is read and indexed until it is aborted', async () => {
    const url = await folderOf(TEN);
    const { manifest } = await indexDataset(config(url));
    const aborted = AbortSignal.abort();
    await expect(indexDataset(config(url), { signal: aborted })).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(openDataset(url, manifest).read(0, aborted)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('is found by a file URL, and by no scheme that nothing reads', async () => {
    const url = await folderOf(TEN);
    expect((await indexDataset(config(`file://${url}`))).manifest.length).toBe(10);
    await expect(indexDataset(config('ftp://host/x'))).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      details: { field: 'dataset.url', value: '"ftp://host/x"' },
    });
  });

  it('refuses a manifest of a source that this version does not have', async () => {
    const manifest = new FileManifest(
      { source: 'constructor', classes: [], fields: [] },
      {
        offsets: new Uint32Array(1),
        paths: new Uint8Array(),
        sizes: new BigUint64Array(),
        labels: new Int32Array(),
      },
    );
    expect(() => openDataset('/', manifest)).toThrow(/dataset\.source.*image-folder, cifar10/);
  });
});

describe('a mix', () => {
  it('gives the number of the dataset where not all of its datasets have a field of that name', async () => {
    const reader = (dataset?: string): SampleReader => ({
      size: async () => 1,
      read: async () => ({ label: -1, path: 'x', fields: { path: 'x', ...(dataset && { dataset }) } }),
      head: async () => null,
      close: async () => {},
    });
    const manifest = (fields: readonly string[]) => {
      const builder = new FileManifestBuilder({
        source: 'image-folder',
        classes: [],
        fields: fields.map((name) => ({ name, dtype: 'string' })),
      });
      builder.add(Buffer.from('x'), 1, -1);
      return builder.build();
    };
    const [plain, named] = [manifest(['path']), manifest(['path', 'dataset'])];
    const mixed = new MixReader(new Mix([plain, named]), [reader(), reader('its own')]);
    expect((await mixed.read(1)).fields).toEqual({ path: 'x', dataset: 1 });
    const alike = new MixReader(new Mix([named, named]), [reader('first'), reader('second')]);
    expect((await alike.read(1)).fields).toEqual({ path: 'x', dataset: 'second' });
  });
});

describe('subset', () => {
  const pathsOf = (manifest: Manifest) =>
    Array.from({ length: manifest.length }, (_, i) => manifest.pathOf(i));

  it('takes samples by id, in the order given, from the spec or from a file', async () => {
    const url = await folderOf(TEN);
    const expected = ['c1/9.jpg', 'c0/0.jpg', 'c0/2.jpg', 'c0/0.jpg'];
    const inline = (await indexDataset(config(url, { subset: [9, 0, 1, 0] }))).manifest;
    expect(pathsOf(inline)).toEqual(expected);
    expect(inline.classes).toEqual(['c0', 'c1']);
    const file = join(url, 'indices.txt');
    for (const text of ['9 0 1 0', '9\n0\r\n1\n0\n', '9, 0, 1, 0', '[9, 0, 1, 0]\n', '\n 9,\n0,1 0']) {
      await writeFile(file, text);
      const fromFile = (await indexDataset(config(url, { subset: file }))).manifest;
      expect(fromFile.digest).toBe(inline.digest);
    }
  });

  it.each([
    ['9 10', /^10, the entry at 1$/],
    ['1 two 3', /^"two", the entry at 1 of /],
    ['1 -2', /^"-2", the entry at 1 of /],
    ['1.5', /^"1\.5"/],
    ['99999999999999999999', /^"9/],
    ['', /^an empty list$/],
    ['[]', /^an empty list$/],
  ])('refuses a file with %j', async (text, value) => {
    const url = await folderOf(TEN);
    const subset = join(url, 'indices.txt');
    await writeFile(subset, text);
    await expect(indexDataset(config(url, { subset }))).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      details: { field: 'dataset.subset', value: expect.stringMatching(value) },
    });
  });

  it('names a file that is not there', async () => {
    const url = await folderOf(TEN);
    const missing = indexDataset(config(url, { subset: join(url, 'none.txt') }));
    await expect(missing).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
  });

  it.each([
    [403, 'DATASET_DENIED', false],
    [400, 'DATASET_UNAVAILABLE', true],
  ])(
    'tells a file that a store answers %d for from one that is not there',
    async (status, code, retryable) => {
      const store = await serve((_, response) => response.writeHead(status).end());
      const indexed = indexDataset(config(await folderOf(TEN), { subset: `${store}/ids.txt` }));
      await expect(indexed).rejects.toMatchObject({
        code,
        retryable,
        message: expect.stringMatching(/subset/),
      });
    },
  );
});

describe('datasetSchema', () => {
  it('fills in the defaults of each source', () => {
    expect(datasetSchema.parse({ source: 'image-folder', url: '/x' })).toEqual({
      source: 'image-folder',
      url: '/x',
      labels: 'folders',
    });
    expect(datasetSchema.parse({ source: 'cifar10', url: '/x' })).toEqual({
      source: 'cifar10',
      url: '/x',
      split: 'train',
    });
  });

  it.each([
    {},
    { source: 'image-folder' },
    { source: 'nothing', url: '/x' },
    { source: 'image-folder', url: '' },
    { source: 'image-folder', url: '/x', split: 'train' },
    { source: 'cifar10', url: '/x', split: 'val' },
    { source: 'image-folder', url: '/x', subset: [] },
    { source: 'image-folder', url: '/x', subset: [-1] },
    { source: 'image-folder', url: '/x', subset: [0.5] },
  ])('refuses %j', (input) => expect(datasetSchema.safeParse(input).success).toBe(false));
});

describe('progress', () => {
  it('is reported at the end, whatever the size', async () => {
    const reports: IndexProgress[] = [];
    await indexDataset(config(await folderOf(TEN)), { report: (progress) => reports.push(progress) });
    expect(reports.at(-1)).toMatchObject({ files: 10, bytes: 80 });
  });

  it('comes ten times a second at most', () => {
    const reports: IndexProgress[] = [];
    let now = 0;
    const meter = new ProgressMeter({ report: (progress) => reports.push(progress), now: () => now });
    for (now = 0; now < 1000; now += 10) meter.add(2, 100);
    meter.finish();
    expect(reports).toHaveLength(11);
    expect(reports.at(-1)).toEqual({ files: 200, bytes: 10_000, elapsedMs: 1000, filesPerSecond: 200 });
  });
});
