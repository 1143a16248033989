import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CropstreamError } from '@cropstream/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../test-support/folders.js';
import {
  arrowChunk,
  batchCompressed,
  chunkOf,
  dictSpec,
  indexOf,
  int64,
  item,
  litdataFolder,
  sampleCompressed,
  u32,
} from '../../test-support/litdata.js';
import { datasetSchema, indexDataset, openDataset } from '../index.js';
import { compress } from './litdata/zstd.js';

const text = (value: string) => Buffer.from(value, 'utf8');
const ITEMS = [0, 1, 2, 3].map((i) => item(text(`image ${i}`), int64(i)));

const index = (url: string) => indexDataset(datasetSchema.parse({ source: 'litdata', url }));

async function readAll(url: string) {
  const { manifest } = await index(url);
  const reader = openDataset(url, manifest);
  const samples = [];
  for (let id = 0; id < manifest.length; id++) samples.push(await reader.read(id));
  return samples;
}

const malformed = (path: string, reason: RegExp) => ({
  code: 'DATASET_MALFORMED',
  details: { path, reason: expect.stringMatching(reason) },
});

/** The index of one good chunk, with something else in it. */
async function withIndex(change: (index: ReturnType<typeof indexOf>) => unknown): Promise<string> {
  const bytes = chunkOf(ITEMS);
  const url = await litdataFolder([{ bytes, samples: 4 }]);
  const good = indexOf([{ filename: 'chunk-0-0.bin', bytes, samples: 4 }]);
  await writeFile(join(url, 'index.json'), JSON.stringify(change(good)));
  return url;
}

describe("litdata's index.json", () => {
  it('is asked for by name where there is none', async () => {
    await expect(index(await temporaryFolder())).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      details: { reason: expect.stringMatching(/it has no index.json, which LitData's optimize\(\) writes/) },
    });
  });

  it.each<[string, (index: ReturnType<typeof indexOf>) => unknown, RegExp]>([
    ['no object', () => [1], /^its content: /],
    ['no chunks', ({ config }) => ({ config }), /^chunks: /],
    [
      'a count that is none',
      (i) => ({ ...i, chunks: [{ ...i.chunks[0], chunk_size: -1 }] }),
      /^chunks\[0\]\.chunk_size: .*>=0/,
    ],
    [
      'a size that is none',
      (i) => ({ ...i, chunks: [{ ...i.chunks[0], chunk_bytes: 'x' }] }),
      /^chunks\[0\]\.chunk_bytes: /,
    ],
    [
      'encryption',
      (i) => ({ ...i, config: { ...i.config, encryption: { algorithm: 'fernet' } } }),
      /^config\.encryption: encrypted chunks/,
    ],
    [
      'tokens',
      (i) => ({ ...i, config: { ...i.config, item_loader: 'TokensLoader' } }),
      /^config\.item_loader: chunks of "TokensLoader"/,
    ],
    [
      'parquet',
      (i) => ({ ...i, config: { ...i.config, item_loader: 'ParquetLoader' } }),
      /"ParquetLoader" are not read/,
    ],
    [
      "MosaicML's format",
      (i) => ({ ...i, config: { ...i.config, format: 'mds' } }),
      /^config\.format: .*"mds"/,
    ],
    [
      'another compression',
      (i) => ({ ...i, config: { ...i.config, compression: 'lz4' } }),
      /^config\.compression: "lz4"/,
    ],
    [
      'another level',
      (i) => ({ ...i, config: { ...i.config, compression_level: 'file' } }),
      /^config\.compression_level: /,
    ],
    [
      'fewer formats than values',
      (i) => ({ ...i, config: { ...i.config, data_format: ['bytes'] } }),
      /has 1 entries, and .* 2 leaves/,
    ],
    [
      'a spec that is none',
      (i) => ({ ...i, config: { ...i.config, data_spec: '{' } }),
      /^config\.data_spec is not JSON/,
    ],
    [
      'a spec nested without end',
      (i) => {
        const deep = `${'{"type":"builtins.list","context":"null","children_spec":['.repeat(50_000)}${']}'.repeat(50_000)}`;
        return { ...i, config: { ...i.config, data_spec: `[1, ${deep}]` } };
      },
      /^config\.data_spec is nested too deep/,
    ],
    [
      'a name twice',
      (i) => ({ ...i, config: { ...i.config, data_spec: dictSpec(['image', 'image']) } }),
      /^config\.data_spec has "image" twice/,
    ],
    [
      'a spec of another version',
      (i) => ({ ...i, config: { ...i.config, data_spec: '[2, {}]' } }),
      /^config\.data_spec\[0\]: /,
    ],
    [
      'no image',
      (i) => ({ ...i, config: { ...i.config, data_format: ['str', 'int'] } }),
      /image: str, label: int: none of it holds images/,
    ],
  ])('is refused by name with %s', async (_, change, reason) => {
    await expect(index(await withIndex(change))).rejects.toMatchObject(malformed('index.json', reason));
  });

  it('is refused where it is no JSON', async () => {
    const url = await litdataFolder([]);
    await writeFile(join(url, 'index.json'), '{"chunks": [');
    await expect(index(url)).rejects.toMatchObject(malformed('index.json', /^it is not JSON$/));
  });

  it('is an empty dataset where it names no samples', async () => {
    await expect(index(await litdataFolder([]))).rejects.toMatchObject({ code: 'DATASET_EMPTY' });
  });

  it.each(['../chunk.bin', '/etc/passwd', 'a/../../chunk.bin', 'a//b', './a', '', 'a\0b'])(
    'is refused for a chunk named %j',
    async (filename) => {
      const url = await withIndex((i) => ({ ...i, chunks: [{ ...i.chunks[0], filename }] }));
      const error = await index(url).catch((error: unknown) => error);
      expect(error).toMatchObject(
        malformed('index.json', /^chunks\[0\]\.filename is .* which is not allowed/),
      );
      expect((error as CropstreamError).message).toContain(JSON.stringify(filename));
    },
  );

  it('never leads out of the root by links', async () => {
    const outside = await litdataFolder([{ bytes: chunkOf(ITEMS), samples: 4 }]);
    const url = await withIndex((i) => ({
      ...i,
      chunks: [{ ...i.chunks[0], filename: 'link/chunk-0-0.bin' }],
    }));
    await symlink(outside, join(url, 'link'));
    await expect(readAll(url)).rejects.toMatchObject(malformed('link/chunk-0-0.bin', /outside|leads|root/));

    const linked = await temporaryFolder();
    await symlink(join(outside, 'index.json'), join(linked, 'index.json'));
    await expect(index(linked)).rejects.toMatchObject({ code: expect.stringMatching(/DATASET_/) });
  });

  it('has the size of each chunk, which is checked', async () => {
    const bytes = chunkOf(ITEMS);
    const short = await litdataFolder([{ bytes, samples: 4 }]);
    await truncate(join(short, 'chunk-0-0.bin'), bytes.length - 1);
    await expect(index(short)).rejects.toMatchObject(
      malformed(
        'chunk-0-0.bin',
        new RegExp(`it has ${bytes.length - 1} bytes, and index.json says ${bytes.length}`),
      ),
    );
    const missing = await withIndex((i) => ({
      ...i,
      chunks: [...i.chunks, { ...i.chunks[0], filename: 'none.bin' }],
    }));
    await expect(index(missing)).rejects.toMatchObject(malformed('none.bin', /it is not there/));
    const folder = await withIndex((i) => ({ ...i, chunks: [{ ...i.chunks[0], filename: 'folder' }] }));
    await mkdir(join(folder, 'folder'));
    await expect(index(folder)).rejects.toMatchObject({ code: 'DATASET_MALFORMED' });
    const many = await withIndex((i) => ({ ...i, chunks: [{ ...i.chunks[0], chunk_size: 2 ** 40 }] }));
    await expect(index(many)).rejects.toMatchObject(malformed('chunk-0-0.bin', /of 1099511627776 samples/));
    // As versions before 0.2.31 count: without the table of offsets.
    const old = await litdataFolder([{ bytes, samples: 4, chunkBytes: bytes.length - 4 * 6 }]);
    expect(await readAll(old)).toHaveLength(4);
  });
});

describe("litdata's chunks", () => {
  const good = chunkOf(ITEMS);
  const changed = (at: number, value: number, chunk = good) => {
    const bytes = Buffer.from(chunk);
    bytes.writeUInt32LE(value, at);
    return bytes;
  };

  it.each<[string, Uint8Array, RegExp]>([
    ['another count', changed(0, 5), /it has 5 samples, and index.json says 4/],
    ['a first offset elsewhere', changed(4, 20), /its first sample is at 20/],
    ['offsets out of order', changed(8, 10), /its sample 0 ends before it begins/],
    ['offsets beyond the file', changed(20, 1 << 30), /its last sample ends at 1073741824/],
    ['bytes after its samples', Buffer.concat([good, text('more than twelve')]), /its last sample ends at/],
  ])('are refused by name with %s', async (_, bytes, reason) => {
    const url = await litdataFolder([{ bytes, samples: 4 }]);
    await expect(readAll(url)).rejects.toMatchObject(malformed('chunk-0-0.bin', reason));
  });

  it.each<[string, Buffer, RegExp]>([
    [
      'values longer than it',
      Buffer.concat([u32(100, 8), text('image'), int64(1)]),
      /its values have 108 bytes/,
    ],
    ['no lengths', text('abc'), /its 3 bytes hold no lengths of 2 values/],
    ['an int of four bytes', item(text('image'), u32(1)), /its field label has 4 bytes: int has 8/],
    [
      'an integer that is no double',
      item(text('image'), int64(2n ** 60n)),
      /1152921504606846976: integers are below 2\^53/,
    ],
  ])('have samples that are refused by name with %s', async (_, bytes, reason) => {
    const url = await litdataFolder([{ bytes: chunkOf([bytes]), samples: 1 }]);
    await expect(readAll(url)).rejects.toMatchObject(malformed('chunk-0-0.bin#0', reason));
  });

  it('are noticed where they change under a run', async () => {
    const url = await litdataFolder([{ bytes: good, samples: 4 }]);
    const { manifest } = await index(url);
    await truncate(join(url, 'chunk-0-0.bin'), 30);
    await expect(openDataset(url, manifest).read(0)).rejects.toMatchObject({
      code: 'DATASET_CHANGED',
      details: {
        path: 'chunk-0-0.bin',
        change: `had ${good.length} bytes when it was indexed and has 30 now`,
      },
    });
  });

  it('are not decompressed beyond what is allowed, and hold no more than they say', async () => {
    const config = { compression: 'zstd' };
    const zeros = await compress(new Uint8Array(64 * 1024 * 1024));
    expect(zeros.length).toBeLessThan(10_000);
    // A frame's header with the content's length in eight bytes: a terabyte, which is in none.
    const claim = (bytes: bigint, rest: Uint8Array) =>
      Buffer.concat([u32(0xfd2fb528), Buffer.of(0xe0), int64(bytes), rest]);
    const cases: [Uint8Array, RegExp][] = [
      [
        claim(2n ** 40n, Buffer.alloc(20)),
        /it says that it holds 1099511627776 bytes, and 536870912 are allowed/,
      ],
      [claim(2n ** 63n - 1n, Buffer.alloc(20)), /bytes, and 536870912 are allowed/],
      [claim(1000n, zeros.subarray(9)), /damaged, cut short, or holds more than it says/],
      [(await compress(good)).subarray(0, 40), /damaged, cut short/],
      [
        Buffer.concat([await compress(good), await compress(good)]),
        /holds more than it says|something stands after/,
      ],
      [text('this is no frame at all, is it?'), /it is not zstd/],
      [Buffer.concat([u32(0xfd2fb528), Buffer.of(0x00, 0x58), Buffer.alloc(30)]), /does not say how long/],
    ];
    for (const [bytes, reason] of cases) {
      const url = await litdataFolder([{ bytes, samples: 4 }], { config });
      await expect(readAll(url)).rejects.toMatchObject(malformed('chunk-0-0.bin', reason));
    }
  });

  it('say how long a batch is, and may not say wrong', async () => {
    const config = { compression: 'zstd', compression_level: 'batch' };
    const batches = await batchCompressed(ITEMS, 2);
    const entry = 24 + 4 * 5;
    const cases: [Uint8Array, RegExp][] = [
      [changed(12, 3, batches), /it has 3 samples, and index.json says 4/],
      [changed(16, 0, batches), /batches of 0 samples/],
      [changed(20, 1000, batches), /it has 1000 batches of 2 samples/],
      [changed(8, 7, batches), /of version 7/],
      [changed(entry, 1, batches), /its batch 0 is not samples 0 to 1/],
      [changed(entry + 12, 1 << 20, batches), /its batch 0 ends at/],
      [changed(entry + 20, 1 << 30, batches), /its batch 0 is not samples/],
      [batches.subarray(0, 60), /its tables name bytes/],
      [good, /it has no compressed batches/],
    ];
    for (const [bytes, reason] of cases) {
      const url = await litdataFolder([{ bytes, samples: 4 }], { config });
      await expect(readAll(url)).rejects.toMatchObject(malformed('chunk-0-0.bin', reason));
    }
  });

  it('have no column beyond their file', async () => {
    const table = arrowChunk('zstd');
    // In the record batch's description.
    table[505] = 128;
    const url = await litdataFolder([{ bytes: table, samples: 4 }]);
    await expect(readAll(url)).rejects.toMatchObject(malformed('chunk-0-0.bin', /its tables name bytes/));
  });

  it('are refused or read, whatever is done to their bytes', async () => {
    const ways: [Uint8Array, object][] = [
      [good, {}],
      [await compress(good), { compression: 'zstd' }],
      [await batchCompressed(ITEMS, 3), { compression: 'zstd', compression_level: 'batch' }],
      [await sampleCompressed(ITEMS), { compression: 'zstd', compression_level: 'sample' }],
      [arrowChunk('plain'), {}],
      [arrowChunk('zstd'), {}],
    ];
    const edit = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ways),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat(), { freq: 4 }),
        async ([chunk, config], edits, cut) => {
          let bytes = Buffer.from(chunk);
          for (const { at, value } of edits) bytes[at % bytes.length] = value;
          if (cut !== null) bytes = bytes.subarray(0, 1 + (cut % bytes.length));
          const url = await litdataFolder([{ bytes, samples: 4 }], { config });
          const outcome = await readAll(url).catch((error: unknown) => error);
          if (outcome instanceof CropstreamError)
            expect(outcome.code).toMatch(/^(DATASET_MALFORMED|SAMPLE_)/);
          else expect(outcome).toHaveLength(4);
        },
      ),
      { numRuns: 150 },
    );
  });
});
