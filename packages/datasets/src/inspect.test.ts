import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderOf } from '../test-support/folders.js';
import {
  datasetSchema,
  indexDataset,
  inspectDataset,
  inspectionNotices,
  openDataset,
  type SniffResult,
} from './index.js';

/** Judges by the first letter of the text that the fixtures hold. */
function sniff(head: Uint8Array): SniffResult {
  const text = Buffer.from(head).toString();
  if (text.startsWith('J')) return { kind: 'supported', format: 'jpeg' };
  if (text.startsWith('P')) return { kind: 'supported', format: 'png' };
  if (text.startsWith('H')) return { kind: 'unsupported', format: 'HEIC', fix: 'Convert it.' };
  return { kind: 'unknown' };
}

async function datasetOf(contents: string[]) {
  const paths = contents.map((_, i) => `c/${i}.jpg`);
  const url = await folderOf(paths);
  for (const [i, text] of contents.entries()) await writeFile(join(url, paths[i]!), text);
  const { manifest } = await indexDataset(datasetSchema.parse({ source: 'image-folder', url }));
  return { url, manifest, reader: openDataset(url, manifest) };
}

describe('inspectDataset', () => {
  it('counts files by what their bytes are, with the fix and examples', async () => {
    const { manifest, reader } = await datasetOf(['J', 'P', 'J', 'H1', 'H2', '', 'x', 'J', 'J', 'H3']);
    const inspection = await inspectDataset(manifest, reader, { sniff });
    expect(inspection).toMatchObject({ inspected: 10, total: 10, bad: 5 });
    expect(inspection.groups).toEqual([
      { kind: 'supported', format: 'jpeg', fix: '', count: 4, examples: ['c/0.jpg', 'c/2.jpg', 'c/7.jpg'] },
      {
        kind: 'unsupported',
        format: 'HEIC',
        fix: 'Convert it.',
        count: 3,
        examples: ['c/3.jpg', 'c/4.jpg', 'c/9.jpg'],
      },
      expect.objectContaining({ kind: 'empty', count: 1, examples: ['c/5.jpg'] }),
      expect.objectContaining({ kind: 'unknown', count: 1, examples: ['c/6.jpg'] }),
      expect.objectContaining({ kind: 'supported', format: 'png', count: 1 }),
    ]);
    expect(inspectionNotices(inspection)).toEqual([
      '3 files cannot be decoded: HEIC. Convert it. ("c/3.jpg", "c/4.jpg", "c/9.jpg")',
      expect.stringMatching(/^1 file cannot be decoded: empty\. .* \("c\/5\.jpg"\)$/),
      expect.stringMatching(/^1 file cannot be decoded: not an image of a known kind\./),
    ]);
  });

  it('reads no more than the first bytes, and no more files than asked, spread evenly', async () => {
    const { manifest, reader } = await datasetOf(Array.from({ length: 10 }, () => 'J'.repeat(100)));
    const heads: number[] = [];
    const ids: number[] = [];
    const spy = {
      ...reader,
      head: (id: number, length: number) => {
        ids.push(id);
        return reader.head(id, length);
      },
    } as typeof reader;
    const options = {
      sniff: (head: Uint8Array) => {
        heads.push(head.length);
        return sniff(head);
      },
      headBytes: 16,
      maxFiles: 4,
    };
    const inspection = await inspectDataset(manifest, spy, options);
    expect(inspection).toMatchObject({ inspected: 4, total: 10, bad: 0 });
    expect(heads).toEqual([16, 16, 16, 16]);
    expect(ids.sort((a, b) => a - b)).toEqual([0, 2, 5, 7]);
  });

  it('counts files that cannot be read, and goes on', async () => {
    const { url, manifest, reader } = await datasetOf(['J', 'J', 'J']);
    await rm(join(url, 'c/1.jpg'));
    const inspection = await inspectDataset(manifest, reader, { sniff });
    expect(inspection.bad).toBe(1);
    expect(inspection.groups[1]).toMatchObject({ kind: 'unreadable', examples: ['c/1.jpg'] });
  });

  it('stops when it is aborted, and when sniffing fails', async () => {
    const { manifest, reader } = await datasetOf(['J', 'J']);
    const aborted = inspectDataset(manifest, reader, { sniff, signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' });
    const broken = () => {
      throw new Error('a defect');
    };
    await expect(inspectDataset(manifest, reader, { sniff: broken })).rejects.toThrow('a defect');
  });
});
