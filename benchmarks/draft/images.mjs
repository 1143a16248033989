// Photographs of 12 megapixels, as phones take them: mosaics of the smaller images, with all of their detail, which is
// more than a lens leaves in a picture of that size.
import { existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { cache } from '../../scripts/setup.mjs';
import { benchmarkImages, filesOf } from '../images/images.mjs';

const COUNT = 8;
const [WIDTH, HEIGHT] = [4032, 3024];
const TILE = 336;
const QUALITY = 90;

/** A folder of JPEGs, made once under .cache/. */
export async function largeImages() {
  const folder = join(cache, 'benchmarks', 'images-12mp');
  if (existsSync(folder)) return folder;
  const from = await benchmarkImages();
  const files = filesOf(from);
  const made = mkdtempSync(`${folder}-`);
  mkdirSync(join(made, 'all'));
  const across = WIDTH / TILE;
  for (let number = 0; number < COUNT; number++) {
    const tiles = Array.from({ length: across * (HEIGHT / TILE) }, async (_, i) => {
      const { parentPath, name } = files[(i * 7 + number * 13) % files.length];
      const input = await sharp(join(parentPath, name))
        .resize(TILE, TILE, { fit: 'cover', kernel: 'nearest' })
        .toBuffer();
      return { input, left: (i % across) * TILE, top: Math.floor(i / across) * TILE };
    });
    await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: 'black' } })
      .composite(await Promise.all(tiles))
      .jpeg({ quality: QUALITY })
      .toFile(join(made, 'all', `${number}.jpg`));
  }
  renameSync(made, folder);
  return folder;
}
