// The module's exports. Addresses and sizes are bytes of linear memory; nothing here allocates or checks a bound:
// src/ does both. Images are planes (one channel contiguous, rows tightly packed) with 16 bytes to spare behind each,
// or bands (see transpose.ts), or RGBX as it was decoded.

export { largeColumns, smallBlur, transposePlane } from './box-blur';
export { blendConstant, grayscale, lumaSum, saturation, solarize } from './color';
export { hsvToRgb, hue, rgbToHsv } from './hue';
export { kernelBlur } from './kernel-blur';
export {
  copyRows,
  flipRows,
  lookup2,
  lookup4,
  planesFromRgb,
  planesFromRgbx,
  rgbFromPlanes,
} from './layout';
export { horizontal, unband, vertical } from './resample';
export { bandFromPlane, bandFromRgbx } from './transpose';

/** The first byte that holds none of the module's own data. */
export function heapBase(): usize {
  return __heap_base;
}
