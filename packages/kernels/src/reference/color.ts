import type { Pixels } from '../types.js';

/** ITU-R 601-2 luma as Pillow's `convert('L')` has it: 16-bit weights that sum to 2^16, rounded. */
export function luma(r: number, g: number, b: number): number {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

function lumas(image: Pixels): Uint8Array {
  const { data } = image;
  return Uint8Array.from({ length: data.length / 3 }, (_, i) =>
    luma(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!),
  );
}

/** Luma, repeated in the three channels. */
export function grayscale(image: Pixels): Pixels {
  const grey = lumas(image);
  return { ...image, data: image.data.map((_, i) => grey[Math.trunc(i / 3)]!) };
}

/** Pillow's `Image.blend`: f32, rounded after the multiplication and after the addition, clipped, truncated. */
function blend(image: Pixels, alpha: number, degenerate: (pixel: number) => number): Pixels {
  const f = Math.fround;
  const data = image.data.map((x, i) => {
    const d = degenerate(Math.trunc(i / 3));
    const value = f(d + f(f(alpha) * (x - d)));
    return Math.trunc(Math.min(255, Math.max(0, value)));
  });
  return { ...image, data };
}

/** `ImageEnhance.Brightness(image).enhance(factor)`. */
export function brightness(image: Pixels, factor: number): Pixels {
  return blend(image, factor, () => 0);
}

/** `ImageEnhance.Contrast(image).enhance(factor)`: a blend with the rounded mean of the image's luma. */
export function contrast(image: Pixels, factor: number): Pixels {
  const grey = lumas(image);
  const mean = Math.trunc(grey.reduce((sum, value) => sum + value, 0) / grey.length + 0.5);
  return blend(image, factor, () => mean);
}

/** `ImageEnhance.Color(image).enhance(factor)`: a blend with each pixel's luma. */
export function saturation(image: Pixels, factor: number): Pixels {
  const grey = lumas(image);
  return blend(image, factor, (pixel) => grey[pixel]!);
}
