import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import { makeDemoImages } from './demo-images.js';

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cropstream-demo-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('demo images are the same for the same seed, others for another', async () => {
  const [first, again, other] = [await temporary(), await temporary(), await temporary()];
  const paths = await makeDemoImages(first, { count: 3, seed: 4 });
  expect(await makeDemoImages(again, { count: 3, seed: 4 })).toEqual(paths);
  await makeDemoImages(other, { count: 3, seed: 5 });
  for (const path of paths) {
    const bytes = await readFile(join(first, path));
    expect(await readFile(join(again, path))).toEqual(bytes);
    expect(await readFile(join(other, path))).not.toEqual(bytes);
  }
});

test('they are JPEGs of 300 to 600 pixels in class folders, but for one PNG and one greyscale', async () => {
  const folder = await temporary();
  const paths = await makeDemoImages(folder, { count: 12 });
  expect(new Set(paths.map((path) => path.split('/')[0])).size).toBe(6);
  const found = await Promise.all(paths.map((path) => sharp(join(folder, path)).metadata()));
  for (const { width, height } of found) {
    for (const side of [width, height]) {
      expect(side).toBeGreaterThanOrEqual(300);
      expect(side).toBeLessThanOrEqual(600);
    }
  }
  expect(found.filter(({ format }) => format === 'png')).toHaveLength(1);
  expect(found.filter(({ channels }) => channels === 1)).toHaveLength(1);
});
