import { orientedSteps, swapsAxes } from './orient.js';
import type { Orientation, PixelModel, PixelTarget, RawPixels } from './types.js';

/** RGBX as one little-endian uint32; X is always 255. */
const packRgb = (r: number, g: number, b: number): number => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;

/** Pillow's MULDIV255: `a * b / 255`, rounded (libImaging/ImagingUtils.h). */
function mulDiv255(a: number, b: number): number {
  const t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/** Pillow's CMYK to RGB (libImaging/Convert.c): `max(0, 255 - k - c * (255 - k) / 255)`. */
function packCmyk(c: number, m: number, y: number, k: number): number {
  const white = 255 - k;
  return packRgb(
    Math.max(0, white - mulDiv255(c, white)),
    Math.max(0, white - mulDiv255(m, white)),
    Math.max(0, white - mulDiv255(y, white)),
  );
}

type Reader = (data: Uint8Array, at: number) => number;

const READERS: Record<PixelModel, Reader> = {
  gray: (data, at) => packRgb(data[at]!, data[at]!, data[at]!),
  'gray-alpha': (data, at) => packRgb(data[at]!, data[at]!, data[at]!),
  rgb: (data, at) => packRgb(data[at]!, data[at + 1]!, data[at + 2]!),
  'rgb-alpha': (data, at) => packRgb(data[at]!, data[at + 1]!, data[at + 2]!),
  cmyk: (data, at) => packCmyk(data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!),
  // Pillow clips 16-bit greyscale to 8 bits, it does not scale it (I;16 to RGB in Convert.c).
  gray16: (data, at) => {
    const level = data[at + 1] === 0 ? data[at]! : 255;
    return packRgb(level, level, level);
  },
};

/**
 * Converts raw pixels to RGBX, turned upright if asked, into room that it allocates in `target`.
 * Alpha is dropped, not blended; greyscale is repeated; CMYK and 16-bit greyscale follow Pillow.
 */
export function loadRawInto(raw: RawPixels, target: PixelTarget): void {
  convertPixels(raw.data, raw.width, raw.height, raw.model, raw.orientation, target);
}

/** Bytes that a pixel of each model takes. */
const PIXEL_BYTES: Record<PixelModel, number> = {
  gray: 1,
  'gray-alpha': 2,
  rgb: 3,
  'rgb-alpha': 4,
  cmyk: 4,
  gray16: 2,
};

export function convertPixels(
  data: Uint8Array,
  width: number,
  height: number,
  model: PixelModel,
  orientation: Orientation,
  target: PixelTarget,
): void {
  const room = swapsAxes(orientation)
    ? target.allocateSource(height, width)
    : target.allocateSource(width, height);
  const out = new Uint32Array(room.buffer, room.byteOffset, width * height);
  const { start, stepX, stepY } = orientedSteps(width, height, orientation);
  const read = READERS[model];
  const bytes = PIXEL_BYTES[model];
  let from = 0;
  for (let y = 0; y < height; y++) {
    let to = start + y * stepY;
    for (let x = 0; x < width; x++) {
      out[to] = read(data, from);
      from += bytes;
      to += stepX;
    }
  }
}

/** 255 minus each sample, in place: JPEG's CMYK is stored inverted, by Adobe's convention. */
export function invert(samples: Uint8Array): Uint8Array {
  const words = samples.length >> 2;
  const view = new Uint32Array(samples.buffer, samples.byteOffset, words);
  for (let i = 0; i < words; i++) view[i] = ~view[i]!;
  for (let i = words << 2; i < samples.length; i++) samples[i] = 255 - samples[i]!;
  return samples;
}
