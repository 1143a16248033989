import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rasterise } from '@cropstream/darkroom/pictures';
import sharp from 'sharp';
import { Brush } from './random.js';
import { SCENES } from './scenes.js';

export interface DemoImagesOptions {
  /** Shared by the classes in turn. @default 48 */
  readonly count?: number;
  /** The same seed draws the same pictures. @default 0 */
  readonly seed?: number;
  readonly report?: (done: number, total: number) => void;
}

/** One image as it is saved: JPEG but for one PNG and one greyscale JPEG, as real folders have them. */
async function encode(png: Buffer, number: number): Promise<{ extension: string; bytes: Buffer }> {
  const image = sharp(png).removeAlpha();
  if (number === 7) return { extension: 'png', bytes: await image.png().toBuffer() };
  if (number === 11)
    return {
      extension: 'jpg',
      bytes: await image.grayscale().toColourspace('b-w').jpeg({ quality: 90 }).toBuffer(),
    };
  const chromaSubsampling = number % 2 === 0 ? '4:2:0' : '4:4:4';
  return { extension: 'jpg', bytes: await image.jpeg({ quality: 90, chromaSubsampling }).toBuffer() };
}

/**
 * Draws a small dataset of class folders (boats, fish, fruit, houses, mountains, signs), 300 to 600 pixels a
 * side, for those who have none at hand: with letters, textures, colours and a left and a right, so that a
 * person sees what each transform does.
 *
 * @returns the paths written, relative to `folder`
 */
export async function makeDemoImages(folder: string, options: DemoImagesOptions = {}): Promise<string[]> {
  const { count = 48, seed = 0, report } = options;
  const classes = Object.entries(SCENES);
  const written: string[] = [];
  for (const [name] of classes.slice(0, count)) await mkdir(join(folder, name), { recursive: true });
  for (let number = 0; number < count; number++) {
    const [name, scene] = classes[number % classes.length]!;
    const brush = new Brush(seed, number);
    const width = brush.whole(300, 600);
    const height = brush.whole(300, Math.min(600, Math.round(width * 1.4)));
    const drawing = rasterise(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${scene(brush, { width, height })}</svg>`,
      { background: '#888888' },
    );
    const { extension, bytes } = await encode(drawing.png, number);
    const path = `${name}/${name}-${String(Math.floor(number / classes.length)).padStart(2, '0')}.${extension}`;
    await writeFile(join(folder, path), bytes);
    written.push(path);
    report?.(number + 1, count);
  }
  return written;
}
