import sharp from 'sharp';

/**
 * A JPEG of noise for benchmarks that are about bytes and not about what is in them: no two numbers give the same one.
 *
 * @param {number} number from 0 on
 * @param {{ width: number, height: number }} size in pixels; 500 x 375 makes about 100 KB, 270 x 270 about 50
 */
export async function noiseJpeg(number, { width, height }) {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0, x = number + 1; at < pixels.length; at++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    pixels[at] = ((at >> 4) & 127) + (x >>> 26);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}
