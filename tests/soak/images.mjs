import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';

/** Packed RGB with structure at every scale, no two alike. */
function draw(width, height, seed) {
  const pixels = Buffer.allocUnsafe(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels[at++] = (x * 3 + seed * 17) & 255;
      pixels[at++] = (y * 2 + ((x >> 3) ^ (y >> 3)) * 20) & 255;
      pixels[at++] = ((x * (seed + 1) + y * 3) >> 2) & 255;
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 }, limitInputPixels: false });
}

/** `count` JPEGs and PNGs of some ten thousand pixels. */
export async function drawSmall(folder, count) {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const image = draw(60 + ((i * 37) % 90), 50 + ((i * 53) % 80), i);
    const name = join(folder, String(i).padStart(4, '0'));
    if (i % 8 === 7) await image.png().toFile(`${name}.png`);
    else await image.jpeg({ quality: 85 }).toFile(`${name}.jpg`);
  }
}

/**
 * Images at the ends of what is allowed: a single pixel, single rows and columns, every way of decoding just below the
 * limit on pixels, and two just above it, which are bad samples.
 */
export async function drawExtremes(folder, maxPixels) {
  mkdirSync(folder, { recursive: true });
  const save = (name, image) => image.toFile(join(folder, name));
  for (const format of ['jpg', 'png', 'webp']) await save(`pixel.${format}`, draw(1, 1, 1));
  for (const format of ['jpg', 'png']) {
    await save(`row.${format}`, draw(60_000, 1, 1));
    await save(`column.${format}`, draw(1, 60_000, 1));
  }
  const width = Math.floor(Math.sqrt(maxPixels * 1.5));
  const below = draw(width, Math.floor(maxPixels / width), 2);
  await save('giant.jpg', below.clone().jpeg({ quality: 80 }));
  await save('giant-progressive.jpg', below.clone().jpeg({ quality: 80, progressive: true }));
  await save('giant.png', below.clone().png({ compressionLevel: 1 }));
  await save('giant-grey.png', below.clone().greyscale().png({ compressionLevel: 1 }));
  await save('giant.webp', below.clone().webp({ quality: 60, effort: 0 }));
  await save('giant-panorama.jpg', draw(60_000, Math.floor(maxPixels / 60_000), 3).jpeg({ quality: 80 }));
  const above = draw(width, Math.floor(maxPixels / width) + 1, 4);
  await save('over.jpg', above.clone().jpeg({ quality: 60 }));
  await save('over.png', above.clone().png({ compressionLevel: 1 }));
}

/** How many `drawExtremes` draws. */
export const EXTREMES = 15;
