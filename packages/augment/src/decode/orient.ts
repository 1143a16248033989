import type { Orientation } from './types.js';

/** True for the four orientations that exchange rows and columns. */
export const swapsAxes = (orientation: Orientation): boolean => orientation >= 5;

/**
 * Where source pixel (x, y) goes, as offset in pixels: `start + x * stepX + y * stepY`. The eight
 * cases are `PIL.ImageOps.exif_transpose`'s: 2 mirror, 3 rotate 180, 4 flip, 5 transpose, 6 rotate
 * 270 (counter-clockwise), 7 transverse, 8 rotate 90.
 */
export function orientedSteps(
  width: number,
  height: number,
  orientation: Orientation,
): { readonly start: number; readonly stepX: number; readonly stepY: number } {
  const last = width * height - 1;
  switch (orientation) {
    case 1:
      return { start: 0, stepX: 1, stepY: width };
    case 2:
      return { start: width - 1, stepX: -1, stepY: width };
    case 3:
      return { start: last, stepX: -1, stepY: -width };
    case 4:
      return { start: (height - 1) * width, stepX: 1, stepY: -width };
    case 5:
      return { start: 0, stepX: height, stepY: 1 };
    case 6:
      return { start: height - 1, stepX: height, stepY: -1 };
    case 7:
      return { start: last, stepX: -height, stepY: -1 };
    case 8:
      return { start: (width - 1) * height, stepX: -height, stepY: 1 };
  }
}
