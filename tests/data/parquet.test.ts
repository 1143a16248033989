import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { datasetSchema, indexDataset, openDataset } from '@cropstream/datasets';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const python = process.env.CROPSTREAM_DATA_PYTHON;
const script = fileURLToPath(new URL('./parquet_files.py', import.meta.url));

interface Written {
  readonly url: string;
  readonly config: object;
  readonly samples: readonly {
    readonly image: string;
    readonly label: number;
    readonly fields: Readonly<Record<string, string | number>>;
  }[];
}

describe.skipIf(python === undefined)('Parquet files of the real datasets and pyarrow', () => {
  let folder: string;
  let kinds: Readonly<Record<string, Written>>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cropstream-parquet-'));
    const run = promisify(execFile);
    const { stdout } = await run(python ?? '', [script, folder], { maxBuffer: 2 ** 26 });
    kinds = JSON.parse(stdout);
  }, 120_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const index = (kind: string) => {
    const { url, config } = kinds[kind] as Written;
    return indexDataset(datasetSchema.parse({ source: 'parquet', url, ...config }));
  };

  test.each([
    'datasets',
    'snappy',
    'gzip, pages of version 2',
    'zstd, small pages, page index',
    'brotli, no dictionary',
    'none, dictionary, page index, version 2',
    'plain binary',
    'one large row group',
  ])('are read row by row: %s', async (kind) => {
    const { url, samples } = kinds[kind] as Written;
    const { manifest, notices } = await index(kind);
    expect(manifest.length).toBe(samples.length);
    if (kind !== 'plain binary') {
      expect(manifest.classes).toEqual(['cat', 'dog', 'süß']);
      expect(notices).toEqual([expect.stringContaining('"tags" is left out: it is no scalar')]);
    }
    const reader = openDataset(url, manifest);
    // From the end, so that none depends on what was read before it.
    for (let i = samples.length - 1; i >= 0; i--) {
      const { encoded, label, fields } = await reader.read(i);
      const image = createHash('sha256')
        .update(encoded as Uint8Array)
        .digest('hex');
      expect({ image, label, fields }).toEqual(samples[i]);
      expect(await reader.size(i)).toBe(encoded?.length);
      expect(await reader.head(i, 8)).toEqual(encoded?.subarray(0, 8));
    }
    await reader.close();
  });

  test('are refused where the images are elsewhere, or written in a way that is not read', async () => {
    await expect(index('by path')).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { path: 'a.parquet', reason: expect.stringContaining('only their paths') },
    });
    const { manifest } = await index('delta');
    const { url } = kinds.delta as Written;
    await expect(openDataset(url, manifest).read(0)).rejects.toMatchObject({
      code: 'DATASET_MALFORMED',
      details: { path: 'a.parquet', reason: expect.stringContaining('encoding') },
    });
  });

  test('have splits, of which one is read', async () => {
    const { url } = kinds.datasets as Written;
    const one = await indexDataset(datasetSchema.parse({ source: 'parquet', url, split: 'test' }));
    expect(one.manifest.length).toBe(4);
    await expect(indexDataset(datasetSchema.parse({ source: 'parquet', url }))).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      message: expect.stringContaining('one of test, train'),
    });
  });
});
