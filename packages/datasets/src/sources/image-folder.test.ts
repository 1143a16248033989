import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { folderOf } from '../../test-support/folders.js';
import { indexFiles } from '../../test-support/index-files.js';
import { type DatasetConfigInput, type FileManifest, openDataset } from '../index.js';

interface Case {
  name: string;
  entries: string[];
  classes: string[];
  samples: [path: string, label: number][];
}

const golden = JSON.parse(
  readFileSync(new URL('../../golden/image-folder.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

const index = (url: string, more: Partial<DatasetConfigInput> = {}) =>
  indexFiles({ source: 'image-folder', url, ...more } as DatasetConfigInput);

const samplesOf = (manifest: FileManifest) =>
  Array.from({ length: manifest.length }, (_, i) => [manifest.storagePathOf(i), manifest.labelOf(i)]);

describe("image-folder, against torchvision's ImageFolder", () => {
  it.each(golden.cases)('$name', async ({ entries, classes, samples }) => {
    const url = await folderOf(entries);
    const { manifest } = await index(url);
    expect(manifest.classes).toEqual(classes);
    expect(samplesOf(manifest)).toEqual(samples);
    const reader = openDataset(url, manifest);
    for (let i = 0; i < manifest.length; i++) {
      const sample = await reader.read(i);
      expect(sample.encoded).toHaveLength(manifest.sizeOf(i));
      expect(sample).toMatchObject({
        label: samples[i]![1],
        path: manifest.pathOf(i),
        fields: { path: manifest.pathOf(i) },
      });
    }
    await reader.close();
  });
});

describe('image-folder, where torchvision raises or says nothing', () => {
  it('gives a folder without class folders label -1, and says so', async () => {
    const { manifest, notices } = await index(await folderOf(['b.jpg', 'a.png', 'c.JPEG', 'notes.txt']));
    expect(samplesOf(manifest)).toEqual([
      ['a.png', -1],
      ['b.jpg', -1],
      ['c.JPEG', -1],
    ]);
    expect(manifest.classes).toEqual([]);
    expect(notices.join('\n')).toMatch(/no class folders.* 3 images have label -1/);
  });

  it('takes folders without images for no class folders when there are images beside them', async () => {
    const { manifest } = await index(await folderOf(['a.jpg', '.git/config', 'empty/']));
    expect(samplesOf(manifest)).toEqual([['a.jpg', -1]]);
  });

  it('reads every image under the folder, without labels, when asked to', async () => {
    const entries = ['z.jpg', 'b/1.jpg', 'a/1.jpg', 'a/b/1.jpg', 'a-b/1.jpg'];
    const { manifest, notices } = await index(await folderOf(entries), { labels: 'none' });
    // sorted(os.walk(root)): the root, then a, a-b, a/b, b
    expect(samplesOf(manifest).map(([path]) => path)).toEqual([
      'z.jpg',
      'a/1.jpg',
      'a-b/1.jpg',
      'a/b/1.jpg',
      'b/1.jpg',
    ]);
    expect(new Set(samplesOf(manifest).map(([, label]) => label))).toEqual(new Set([-1]));
    expect(notices).toEqual([]);
  });

  it('says how many images beside class folders it leaves out', async () => {
    const { manifest, notices } = await index(await folderOf(['stray.jpg', 'a/1.jpg']));
    expect(manifest.length).toBe(1);
    expect(notices.join('\n')).toMatch(/^1 image lies beside the class folders.*labels: none/);
  });

  it('keeps the label of a class folder without images, and names it', async () => {
    const { manifest, notices } = await index(await folderOf(['a/1.jpg', 'b/', 'c/1.jpg']));
    expect(samplesOf(manifest)).toEqual([
      ['a/1.jpg', 0],
      ['c/1.jpg', 2],
    ]);
    expect(notices).toEqual([expect.stringMatching(/^1 class folder has no images and keeps its label: b$/)]);
  });

  it('counts what it leaves out by kind, with the fix', async () => {
    const entries = [
      'c/1.jpg',
      'c/2.heic',
      'c/3.HEIC',
      'c/4.gif',
      'c/x.txt',
      'c/Makefile',
      'c/gone.jpg -> nowhere',
    ];
    const { manifest, notices } = await index(await folderOf(entries));
    expect(manifest.length).toBe(1);
    expect(notices).toEqual([
      expect.stringMatching(/^2 \.heic files are not read: convert to JPEG/),
      expect.stringMatching(/^1 \.gif file is not read/),
      expect.stringMatching(/^1 entry was left out because the link leads nowhere, "c\/gone\.jpg"/),
      expect.stringMatching(/: 2 \.heic, 1 without extension, 1 \.gif, 1 \.txt$/),
    ]);
  });

  it('follows a link to a folder once, not for ever', async () => {
    const { manifest, notices } = await index(
      await folderOf(['a/1.jpg', 'a/loop -> ..', 'b/self -> .', 'b/2.jpg']),
    );
    expect(samplesOf(manifest)).toEqual([
      ['a/1.jpg', 0],
      ['b/2.jpg', 1],
    ]);
    expect(notices.join('\n')).toMatch(/2 entries were left out because the link leads back/);
  });

  it('ends where two links lead to each other', async () => {
    const { manifest } = await index(
      await folderOf(['a/1.jpg', 'a/to-b -> ../b', 'b/2.jpg', 'b/to-a -> ../a']),
    );
    expect(samplesOf(manifest).map(([path]) => path)).toEqual([
      'a/1.jpg',
      'a/to-b/2.jpg',
      'b/2.jpg',
      'b/to-a/1.jpg',
    ]);
  });

  it('refuses a folder without images, naming what is there', async () => {
    const empty = index(await folderOf(['c/a.heic', 'c/b.heic', 'd/']));
    await expect(empty).rejects.toMatchObject({
      code: 'DATASET_EMPTY',
      problem: expect.stringContaining('2 .heic; .heic: convert to JPEG: `heif-convert'),
    });
    await expect(index(await folderOf([]))).rejects.toMatchObject({ code: 'DATASET_EMPTY' });
  });

  it('refuses a folder that is not there, or that is a file', async () => {
    const url = await folderOf(['a/1.jpg']);
    await expect(index(`${url}/nowhere`)).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
    await expect(index(`${url}/a/1.jpg`)).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
  });
});
