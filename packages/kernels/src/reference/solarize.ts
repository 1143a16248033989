import type { Pixels } from '../types.js';

/** `ImageOps.solarize(image, threshold)`: values at or above the threshold are inverted. */
export function solarize(image: Pixels, threshold: number): Pixels {
  return { ...image, data: image.data.map((value) => (value < threshold ? value : 255 - value)) };
}
