import { orientedSteps, swapsAxes } from './orient.js';
import type { Orientation, PixelModel, PixelTarget, RawPixels } from './types.js';

/** X of RGBX in a little-endian int32: always 255. (WebAssembly and all of Node's CPUs are little-endian.) */
const OPAQUE = 0xff000000 | 0;

/**
 * Pillow's MULDIV255: `a * b / 255`, rounded (libImaging/ImagingUtils.h). Its CMYK to RGB
 * (Convert.c) is `max(0, 255 - k - c * (255 - k) / 255)` with it.
 */
function mulDiv255(a: number, b: number): number {
  const t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

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

/** As `loadRawInto`, from its parts. */
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
  const out = new Int32Array(room.buffer, room.byteOffset, width * height);
  const { start, stepX, stepY } = orientedSteps(width, height, orientation);
  const convertRow = ROWS[model];
  const rowBytes = width * PIXEL_BYTES[model];
  for (let y = 0; y < height; y++) {
    convertRow(data, y * rowBytes, out, start + y * stepY, stepX, width);
  }
}

/** Converts `width` pixels from `data[from]` on to `out[to]`, `out[to + step]`, ... */
type RowConverter = (
  data: Uint8Array,
  from: number,
  out: Int32Array,
  to: number,
  step: number,
  width: number,
) => void;

/** A loop of its own for each model, for the compiler to specialise. */
const ROWS: Record<PixelModel, RowConverter> = {
  gray(data, from, out, to, step, width) {
    for (let x = 0; x < width; x++) out[to + x * step] = OPAQUE | (data[from + x]! * 0x010101);
  },
  'gray-alpha'(data, from, out, to, step, width) {
    for (let x = 0; x < width; x++) out[to + x * step] = OPAQUE | (data[from + 2 * x]! * 0x010101);
  },
  rgb(data, from, out, to, step, width) {
    for (let x = 0, at = from; x < width; x++, at += 3) {
      out[to + x * step] = OPAQUE | (data[at + 2]! << 16) | (data[at + 1]! << 8) | data[at]!;
    }
  },
  'rgb-alpha'(data, from, out, to, step, width) {
    for (let x = 0, at = from; x < width; x++, at += 4) {
      out[to + x * step] = OPAQUE | (data[at + 2]! << 16) | (data[at + 1]! << 8) | data[at]!;
    }
  },
  cmyk(data, from, out, to, step, width) {
    for (let x = 0, at = from; x < width; x++, at += 4) {
      const white = 255 - data[at + 3]!;
      const r = Math.max(0, white - mulDiv255(data[at]!, white));
      const g = Math.max(0, white - mulDiv255(data[at + 1]!, white));
      const b = Math.max(0, white - mulDiv255(data[at + 2]!, white));
      out[to + x * step] = OPAQUE | (b << 16) | (g << 8) | r;
    }
  },
  // Pillow clips 16-bit greyscale to 8 bits, it does not scale it (I;16 to RGB in Convert.c).
  gray16(data, from, out, to, step, width) {
    for (let x = 0, at = from; x < width; x++, at += 2) {
      out[to + x * step] = OPAQUE | ((data[at + 1] === 0 ? data[at]! : 255) * 0x010101);
    }
  },
};

/** 255 minus each sample, in place: JPEG's CMYK is stored inverted, by Adobe's convention. */
export function invert(samples: Uint8Array): Uint8Array {
  const words = samples.length >> 2;
  const view = new Uint32Array(samples.buffer, samples.byteOffset, words);
  for (let i = 0; i < words; i++) view[i] = ~view[i]!;
  for (let i = words << 2; i < samples.length; i++) samples[i] = 255 - samples[i]!;
  return samples;
}
