import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  datasetSchema,
  indexDataset,
  openDataset,
  type ShardSample,
  shardFormat,
} from '@cropstream/datasets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../integration/harness.js';

const python = process.env.CROPSTREAM_DATA_PYTHON;
const tool = fileURLToPath(new URL('./wids_tool.py', import.meta.url));

const wids = (...args: string[]) =>
  execFileSync(python as string, [tool, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const SAMPLES = Array.from({ length: 7 }, (_, i): ShardSample => {
  const encoded = new Uint8Array(1000 + i).fill(i);
  return {
    key: `${i}`.padStart(9, '0'),
    encoded,
    extension: 'jpg',
    label: i % 3,
    fields: { path: `a/${i}.jpg` },
  };
});

describe.skipIf(python === undefined)('the real wids', () => {
  const folder = temporaryFolder();
  const names: string[] = [];

  beforeAll(async () => {
    const format = shardFormat('webdataset');
    const options = { classes: [], fields: { path: 'string' }, compression: 'none' } as const;
    const written = [];
    for (const [number, samples] of [SAMPLES.slice(0, 4), SAMPLES.slice(4)].entries()) {
      const bytes = await format.encode(samples, options);
      const name = format.shardName(number, 2, options);
      writeFileSync(join(folder.path, name), bytes);
      names.push(name);
      written.push({ name, samples: samples.length, bytes: bytes.length });
    }
    for (const { name, bytes } of format.index(written, options))
      writeFileSync(join(folder.path, name), bytes);
  });

  afterAll(() => folder.remove());

  it('reads shards by the index that is written here', () => {
    const read = wids('read', folder.path)
      .split('\n')
      .filter((line) => line.startsWith('sample '))
      .map((line) => JSON.parse(line.slice('sample '.length)));
    expect(read).toEqual(
      SAMPLES.map(({ key, encoded, label, fields }) => ({
        key,
        image: createHash('sha256').update(encoded).digest('hex'),
        label,
        fields,
      })),
    );
  });

  it('writes an index that shards are read by', async () => {
    const index = join(folder.path, 'shardindex.json');
    rmSync(index);
    wids('create', folder.path, ...names);
    const config = datasetSchema.parse({ source: 'webdataset', url: folder.path, shards: 'shardindex.json' });
    const { manifest } = await indexDataset(config);
    const reader = openDataset(folder.path, manifest);
    const read = await Promise.all(SAMPLES.map((_, i) => reader.read(i)));
    expect(read.map(({ encoded, label, fields }) => ({ encoded, label, fields }))).toEqual(
      SAMPLES.map(({ encoded, label, fields }) => ({ encoded, label, fields })),
    );
  });
});
