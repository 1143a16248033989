import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RECIPES } from '@cropstream/augment';
import { createProgram, makeDemoImages } from '@cropstream/cli';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

const python = process.env.CROPSTREAM_PYTHON;
const script = fileURLToPath(new URL('./augment_params.py', import.meta.url));

interface Comparison {
  readonly images: number;
  readonly views: number;
  readonly equal: number;
  readonly within_one_level: number;
  readonly different: readonly { image: string; view: string; levels: number }[];
}

const usesKernelBlur = (recipe: string) => JSON.stringify(RECIPES[recipe]?.views).includes('torchvision');
const recipes = Object.keys(RECIPES);

describe.skipIf(python === undefined)('the parameters that augment writes, applied by Pillow', () => {
  let folder: string;
  let data: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cropstream-parity-'));
    data = join(folder, 'data');
    const [first = ''] = await makeDemoImages(data, { count: 3 });
    const image = () => sharp(join(data, first)).resize(181, 97, { fit: 'fill' });
    await image()
      .jpeg()
      .withMetadata({ orientation: 6 })
      .toFile(join(data, 'boats', 'rotated.jpg'));
    await image()
      .grayscale()
      .jpeg()
      .toFile(join(data, 'boats', 'grey.jpg'));
    await image()
      .ensureAlpha(0.5)
      .png()
      .toFile(join(data, 'boats', 'alpha.png'));
    await image()
      .toColourspace('cmyk')
      .jpeg()
      .toFile(join(data, 'boats', 'cmyk.jpg'));
  });

  // What the commands tell people is not the matter here.
  beforeEach(() => {
    for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockReturnValue(true);
    return () => vi.restoreAllMocks();
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const augment = (out: string, ...flags: string[]) =>
    createProgram().parseAsync(['augment', '--data', data, '--out', join(folder, out), ...flags], {
      from: 'user',
    });

  function compare(out: string): Comparison {
    const args = [script, '--images', data, '--augmented', join(folder, out), '--json'];
    return JSON.parse(execFileSync(String(python), args, { encoding: 'utf8' }));
  }

  test('are equal in every bit for every recipe with Pillow’s blur', async () => {
    for (const recipe of recipes.filter((name) => !usesKernelBlur(name))) {
      await augment(`exact/${recipe}`, '--recipe', recipe, '--seed', '7', '--epoch', '3');
    }
    const { images, views, equal, different } = compare('exact');
    expect(different).toEqual([]);
    expect(equal).toBe(views);
    expect(images).toBe(7 * recipes.filter((name) => !usesKernelBlur(name)).length);
  });

  test('are within one level for every recipe with torchvision’s kernel blur', async () => {
    for (const recipe of recipes.filter(usesKernelBlur)) await augment(`near/${recipe}`, '--recipe', recipe);
    const { views, equal, within_one_level, different } = compare('near');
    expect(different).toEqual([]);
    expect(equal + within_one_level).toBe(views);
    expect(within_one_level).toBeLessThan(views / 2);
  });

  test('are equal where large JPEGs are decoded as drafts', async () => {
    await augment('draft', '--draft', '40', '--exif-rotation', '--recipe', 'dino');
    const { views, equal } = compare('draft');
    expect(equal).toBe(views);
    expect(views).toBe(70);
  });

  test('are equal where EXIF rotation is on', async () => {
    await augment('upright', '--exif-rotation', '--recipe', 'eval');
    const { views, equal } = compare('upright');
    expect(equal).toBe(views);
    expect(views).toBe(7);
  });
});
