import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  arrowChunk,
  batchCompressed,
  chunkOf,
  float64,
  int64,
  item,
  litdataFolder,
  sampleCompressed,
  u32,
} from '../../test-support/litdata.js';
import {
  type DatasetConfigInput,
  datasetSchema,
  indexDataset,
  openDataset,
  openStorage,
  type ReadOptions,
  type Sample,
  type ShardManifest,
  ShardMemory,
  type Storage,
} from '../index.js';
import { compress } from './litdata/zstd.js';
import { litdata } from './litdata.js';

type Options = Omit<Extract<DatasetConfigInput, { source: 'litdata' }>, 'source' | 'url'>;

const index = (url: string, options: Options = {}) =>
  indexDataset(datasetSchema.parse({ source: 'litdata', url, ...options }));

async function openFolder(url: string, options: Options = {}) {
  const { manifest, notices } = await index(url, options);
  return { manifest, notices, reader: openDataset(url, manifest) };
}

const text = (value: string) => Buffer.from(value, 'utf8');
/** An image's bytes as good as any: nothing here decodes. */
const image = (name: string) => text(`image of ${name}`);
const sample = (name: string, label: number) => item(image(name), int64(label));

const content = ({ encoded, label, fields }: Sample) => ({
  encoded: Buffer.from(encoded ?? []).toString(),
  label,
  fields,
});

const malformed = (path: string, reason: RegExp) => ({
  code: 'DATASET_MALFORMED',
  details: { path, reason: expect.stringMatching(reason) },
});

describe('litdata', () => {
  it('has the samples in the order of the index, and their fields', async () => {
    const leaves = { path: 'str', image: 'jpeg', label: 'int', score: 'float', good: 'bool', note: 'text' };
    const one = (name: string, label: number) =>
      item(text(`${name}.jpg`), image(name), int64(label), float64(0.5), Uint8Array.of(1), text('é'));
    const url = await litdataFolder(
      [
        { filename: 'second/chunk.bin', bytes: chunkOf([one('a', 2), one('b', 0)]), samples: 2 },
        { filename: 'chunk-0-0.bin', bytes: chunkOf([one('c', 1)]), samples: 1 },
      ],
      { leaves },
    );
    const { manifest, notices, reader } = await openFolder(url);
    expect(notices).toEqual([]);
    expect(manifest).toMatchObject({ length: 3, classes: [] });
    expect(manifest.fields).toEqual([
      { name: 'path', dtype: 'string' },
      { name: 'score', dtype: 'float64' },
      { name: 'good', dtype: 'int64' },
      { name: 'note', dtype: 'string' },
    ]);
    expect([0, 1, 2].map((id) => manifest.pathOf(id))).toEqual([
      'second/chunk.bin#0',
      'second/chunk.bin#1',
      'chunk-0-0.bin#0',
    ]);
    const fields = { score: 0.5, good: 1, note: 'é' };
    expect(content(await reader.read(1))).toEqual({
      encoded: 'image of b',
      label: 0,
      fields: { path: 'b.jpg', ...fields },
    });
    expect(content(await reader.read(2))).toMatchObject({ encoded: 'image of c', label: 1 });
    expect(Buffer.from((await reader.head(0, 5)) as Uint8Array).toString()).toBe('image');
    expect(Buffer.from((await reader.head(0, 500)) as Uint8Array).toString()).toBe('image of a');
    expect(await reader.size(0)).toBe(one('a', 2).length);
    await reader.close();
  });

  it('has the place of a sample as its path where it has no field of that name', async () => {
    const url = await litdataFolder([{ bytes: chunkOf([sample('a', 7)]), samples: 1 }]);
    const { manifest, reader } = await openFolder(url);
    expect(manifest.fields).toEqual([{ name: 'path', dtype: 'string' }]);
    expect((await reader.read(0)).fields).toEqual({ path: 'chunk-0-0.bin#0' });
  });

  it('reads names of classes beside the chunks, and refuses a label of none', async () => {
    const url = await litdataFolder([{ bytes: chunkOf([sample('a', 1), sample('b', 2)]), samples: 2 }]);
    await writeFile(join(url, 'classes.json'), '["cat", "dog"]');
    const { manifest, reader } = await openFolder(url);
    expect(manifest.classes).toEqual(['cat', 'dog']);
    expect((await reader.read(0)).label).toBe(1);
    await expect(reader.read(1)).rejects.toMatchObject(malformed('chunk-0-0.bin#1', /label 2 is none of 2/));
  });

  it('takes a name of a class as a label', async () => {
    const bytes = chunkOf([item(image('a'), text('dog'))]);
    const url = await litdataFolder([{ bytes, samples: 1 }], { leaves: { image: 'bytes', label: 'str' } });
    const { manifest, reader } = await openFolder(url, { classes: ['cat', 'dog'] });
    expect(manifest.classes).toEqual(['cat', 'dog']);
    expect(await reader.read(0)).toMatchObject({ label: 1, fields: { path: 'chunk-0-0.bin#0' } });
    const { notices } = await openFolder(url);
    expect(notices).toEqual([
      expect.stringMatching(/^the field "label" is left out: the name means something else/),
      expect.stringContaining('all labels are -1'),
    ]);
  });

  it('leaves out what is no string or number, and says so', async () => {
    const leaves = { image: 'bytes', label: 'int', t: 'no_header_tensor:1', a: 'numpy', 'bad name': 'str' };
    const bytes = chunkOf([item(image('a'), int64(3), text('tensor'), text('array'), text('x'))]);
    const { notices, reader } = await openFolder(await litdataFolder([{ bytes, samples: 1 }], { leaves }));
    expect(notices).toEqual([
      'the field "t" is left out: no_header_tensor:1 is no string or number',
      'the field "a" is left out: numpy is no string or number',
      expect.stringContaining('the field "bad name" is left out: names of fields have'),
    ]);
    expect(content(await reader.read(0))).toMatchObject({ encoded: 'image of a', label: 3 });
  });

  it('takes a tuple of an image and a class, and a single image', async () => {
    const leaf = { type: null, context: null, children_spec: [] };
    const spec = { type: 'builtins.tuple', context: 'null', children_spec: [leaf, leaf] };
    const tuple = await litdataFolder([{ bytes: chunkOf([sample('a', 5)]), samples: 1 }], {
      config: { data_spec: JSON.stringify([1, spec]) },
    });
    expect(await (await openFolder(tuple)).reader.read(0)).toMatchObject({ label: 5 });
    const single = await litdataFolder([{ bytes: chunkOf([item(image('a'))]), samples: 1 }], {
      config: { data_format: ['jpeg'], data_spec: JSON.stringify([1, leaf]) },
    });
    const { notices, reader } = await openFolder(single);
    expect(content(await reader.read(0))).toMatchObject({ encoded: 'image of a', label: -1 });
    expect(notices).toEqual([expect.stringContaining('all labels are -1')]);
  });

  it('takes the fields that the spec names', async () => {
    const leaves = { left: 'jpeg', right: 'jpeg', label: 'int', fine: 'int' };
    const bytes = chunkOf([item(image('l'), image('r'), int64(1), int64(2))]);
    const url = await litdataFolder([{ bytes, samples: 1 }], { leaves });
    await expect(index(url)).rejects.toMatchObject(
      malformed('index.json', /\(left, right\): dataset.image_field/),
    );
    const { reader } = await openFolder(url, { image_field: 'right', label_field: 'fine' });
    expect(content(await reader.read(0))).toMatchObject({ encoded: 'image of r', label: 2 });
    await expect(index(url, { image_field: 'middle' })).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      details: { field: 'dataset.image_field', value: '"middle"', allowed: 'one of left, right' },
    });
    await expect(index(url, { image_field: 'left', label_field: 'right' })).rejects.toMatchObject({
      details: { field: 'dataset.label_field', allowed: 'one of label, fine' },
    });
  });

  it.each([
    ['RGB', [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]],
    ['L', [9, 8], [9, 9, 9, 8, 8, 8]],
    ['LA', [9, 0, 8, 0], [9, 9, 9, 8, 8, 8]],
    ['RGBA', [1, 2, 3, 0, 4, 5, 6, 0], [1, 2, 3, 4, 5, 6]],
    ['1', [0b01000000], [0, 0, 0, 255, 255, 255]],
  ])('gives the pixels of a pil image in mode %s', async (mode, raw, pixels) => {
    const pil = Buffer.concat([u32(2, 1, mode.length), text(mode), Buffer.from(raw)]);
    const url = await litdataFolder([{ bytes: chunkOf([item(pil, int64(0))]), samples: 1 }], {
      leaves: { image: 'pil', label: 'int' },
    });
    const { reader } = await openFolder(url);
    expect((await reader.read(0)).pixels).toEqual({ width: 2, height: 1, data: Uint8Array.from(pixels) });
    expect(await reader.head(0, 10)).toBeNull();
  });

  it.each([
    [
      'P',
      Buffer.alloc(2),
      { code: 'SAMPLE_UNSUPPORTED', details: { format: 'an image in Pillow\'s mode "P"' } },
    ],
    ['RGB', Buffer.alloc(5), malformed('chunk-0-0.bin#0', /2 x 1 in mode RGB has 5 bytes instead of 6/)],
  ])('refuses a pil image in mode %s of %o', async (mode, raw, error) => {
    const pil = Buffer.concat([u32(2, 1, mode.length), text(mode), raw]);
    const url = await litdataFolder([{ bytes: chunkOf([item(pil, int64(0))]), samples: 1 }], {
      leaves: { image: 'pil', label: 'int' },
    });
    await expect((await openFolder(url)).reader.read(0)).rejects.toMatchObject(error);
  });

  it('has the same samples however they are compressed', async () => {
    const one = fc.record({
      encoded: fc.uint8Array({ maxLength: 300 }),
      label: fc.integer({ min: -1, max: 1000 }),
      caption: fc.string({ unit: 'grapheme', maxLength: 20 }),
    });
    const samples = fc.array(one, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(samples, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 5 }),
        async (chunks, rows) => {
          const items = chunks.map((chunk) =>
            chunk.map(({ encoded, label, caption }) => item(encoded, int64(label), text(caption))),
          );
          const wanted = chunks
            .flat()
            .map(({ encoded, label, caption }) => ({ encoded: [...encoded], label, caption }));
          const ways: [object, (items: Buffer[]) => Promise<Uint8Array>][] = [
            [{}, async (items) => chunkOf(items)],
            [{ compression: 'zstd' }, (items) => compress(chunkOf(items))],
            [{ compression: 'zstd:9', compression_level: 'batch' }, (items) => batchCompressed(items, rows)],
            [{ compression: 'zstd', compression_level: 'sample' }, sampleCompressed],
          ];
          for (const [config, write] of ways) {
            const files = await Promise.all(
              items.map(async (items) => ({ bytes: await write(items), samples: items.length })),
            );
            const url = await litdataFolder(files, {
              config,
              leaves: { image: 'bytes', label: 'int', caption: 'str' },
            });
            const { manifest, reader } = await openFolder(url);
            const read = await Promise.all(wanted.map((_, id) => reader.read(id)));
            expect(
              read.map(({ encoded, label, fields }) => ({
                encoded: [...(encoded ?? [])],
                label,
                caption: fields.caption,
              })),
            ).toEqual(wanted);
            expect(manifest.length).toBe(wanted.length);
            const sizes = await Promise.all(wanted.map((_, id) => reader.size(id)));
            expect(sizes).toEqual(items.flat().map(({ length }) => length));
            await rm(url, { recursive: true });
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  it.each(['plain', 'zstd'] as const)('reads samples in an Arrow table: %s', async (kind) => {
    const leaves = { image: 'bytes', label: 'int', text: 'str', list: 'json' };
    const url = await litdataFolder([{ bytes: arrowChunk(kind), samples: 4 }], { leaves });
    const { notices, reader } = await openFolder(url);
    expect(notices).toEqual(['the field "list" is left out: json is no string or number']);
    const samples = await Promise.all([0, 1, 2, 3].map((id) => reader.read(id)));
    expect(samples.map(content)).toEqual(
      [0, 1, 2, 3].map((i) => ({
        encoded: `image ${i}`,
        label: i,
        fields: { path: `chunk-0-0.bin#${i}`, text: i === 1 ? '' : `words ${i} `.repeat(20) },
      })),
    );
    expect(await reader.size(2)).toBe(7);
    expect(Buffer.from((await reader.head(3, 5)) as Uint8Array).toString()).toBe('image');
    // A column of other values than the index file says is no column of it.
    const wrong = await litdataFolder([{ bytes: arrowChunk(kind), samples: 4 }], {
      leaves: { image: 'bytes', text: 'int' },
    });
    const { reader: misled } = await openFolder(wrong);
    await expect(misled.read(0)).rejects.toMatchObject(
      malformed('chunk-0-0.bin', /the column "text" .* is not what/),
    );
  });

  it('reads Arrow tables that are compressed twice, also when their chunks were let go of', async () => {
    const leaves = { image: 'bytes', label: 'int', text: 'str', list: 'json' };
    const chunk = { bytes: await compress(arrowChunk('zstd')), samples: 4 };
    const url = await litdataFolder([chunk, chunk, chunk], { leaves, config: { compression: 'zstd' } });
    const { manifest } = await index(url);
    const memory = new ShardMemory();
    const reader = openDataset(url, manifest, { memory });
    // All tables are known; what was decompressed makes way for something larger.
    await Promise.all([0, 4, 8].map((id) => reader.size(id)));
    memory.contents.keep({ bytes: memory.contents.limitBytes, dropped: () => {} });
    const samples = await Promise.all([0, 5, 10].map((id) => reader.read(id)));
    expect(samples.map((sample) => content(sample).encoded)).toEqual(['image 0', 'image 1', 'image 2']);
  });

  it('reads a chunk a range a sample, its tables once', async () => {
    const items = Array.from({ length: 50 }, (_, i) => item(Buffer.alloc(1000, i), int64(i)));
    const url = await litdataFolder([{ bytes: chunkOf(items), samples: 50 }]);
    const { manifest } = await index(url);
    const storage = openStorage(url);
    const reads: ReadOptions[] = [];
    const counting: Storage = {
      url,
      list: (folder, options) => storage.list(folder, options),
      stat: (path, signal) => storage.stat(path, signal),
      close: () => storage.close(),
      read(path, options = {}) {
        reads.push(options);
        return storage.read(path, options);
      },
    };
    const parts = { get: async () => null };
    const reader = litdata.open(manifest as ShardManifest, counting, parts, new ShardMemory());
    await Promise.all([3, 40, 17].map((id) => reader.read(id)));
    const table = 4 * 52;
    expect(reads.map(({ offset, length }) => [offset, length])).toEqual([
      [0, table],
      ...[3, 40, 17].map((id) => [table + 1016 * id, 1016]),
    ]);
    expect(reads.every(({ inside }) => inside)).toBe(true);
  });

  it('gives each sample bytes of its own, which may be handed to a thread', async () => {
    const items = [sample('a', 0), sample('b', 1)];
    const url = await litdataFolder([{ bytes: await compress(chunkOf(items)), samples: 2 }], {
      config: { compression: 'zstd' },
    });
    const { reader } = await openFolder(url);
    const first = (await reader.read(0)).encoded as Uint8Array<ArrayBuffer>;
    structuredClone(first, { transfer: [first.buffer] });
    expect(content(await reader.read(0)).encoded).toBe('image of a');
    expect(content(await reader.read(1)).encoded).toBe('image of b');
  });
});
