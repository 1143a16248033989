import type { Box, Interpolation, Normalization, PackFormat, Pixels } from './types.js';
import { DTYPE_BYTES } from './types.js';

/** The largest side and the largest number of pixels of any image here. */
export const MAX_SIDE = 2 ** 24;
export const MAX_PIXELS = 2 ** 28;

/** An image that is right in itself takes more pixels on its way than are allowed: never a mistake of the caller. */
export class KernelLimitError extends RangeError {
  override readonly name = 'KernelLimitError';

  /** @param value what is too large, in pixels, as `width x height` and where */
  constructor(readonly value: string) {
    super(`${value} is over the limit of ${MAX_PIXELS} pixels`);
  }
}

/** `sigma` of Pillow's blur up to which its 32-bit sums are exact. */
export const MAX_SIGMA = 2 ** 20;

export function checkFinite(name: string, value: number, low = -Infinity, high = Infinity): void {
  if (Number.isFinite(Math.fround(value)) && value >= low && value <= high) return;
  const range = Number.isFinite(low) || Number.isFinite(high) ? ` in [${low}, ${high}]` : '';
  throw new RangeError(`${name} is ${value}, but must be a finite number${range}`);
}

export function checkSize(name: string, width: number, height: number): void {
  for (const side of [width, height]) {
    if (Number.isInteger(side) && side >= 1 && side <= MAX_SIDE) continue;
    throw new RangeError(
      `${name} is ${width} x ${height}, but each side must be an integer in [1, ${MAX_SIDE}]`,
    );
  }
  if (width * height > MAX_PIXELS) {
    throw new RangeError(`${name} is ${width} x ${height}, but at most ${MAX_PIXELS} pixels are allowed`);
  }
}

/** The size that an image is resized to, where only `keep` of it is made: the size itself may be any. */
export function checkWindow(width: number, height: number, keep: Box): void {
  for (const side of [width, height]) {
    if (Number.isSafeInteger(side) && side >= 1) continue;
    throw new RangeError(`size is ${width} x ${height}, but each side must be a positive integer below 2^53`);
  }
  checkSize('keep', keep.width, keep.height);
  const { x, y } = keep;
  const overlaps = x < width && y < height && x + keep.width > 0 && y + keep.height > 0;
  if (Number.isSafeInteger(x) && Number.isSafeInteger(y) && overlaps) return;
  throw new RangeError(
    `keep begins at ${x}, ${y}, but must overlap the resized image of ${width} x ${height}`,
  );
}

export function checkBox(box: Box): void {
  checkSize('box', box.width, box.height);
  for (const [name, value] of Object.entries({ x: box.x, y: box.y })) {
    if (Number.isInteger(value) && Math.abs(value) <= MAX_SIDE) continue;
    throw new RangeError(`box.${name} is ${value}, but must be an integer in [-${MAX_SIDE}, ${MAX_SIDE}]`);
  }
}

export function checkInterpolation(value: Interpolation): void {
  if (value === 'bicubic' || value === 'bilinear') return;
  throw new RangeError(`interpolation is ${String(value)}, but must be bicubic or bilinear`);
}

export function checkKernelSize(kernelSize: number, width: number, height: number): void {
  if (!Number.isInteger(kernelSize) || kernelSize < 1 || kernelSize % 2 === 0) {
    throw new RangeError(`kernelSize is ${kernelSize}, but must be an odd positive integer`);
  }
  const pad = (kernelSize - 1) / 2;
  if (pad < width && pad < height) return;
  throw new RangeError(
    `kernelSize is ${kernelSize}, whose reflected edge of ${pad} pixels needs an image larger than that on each ` +
      `side, but it is ${width} x ${height}`,
  );
}

export function checkPixels(pixels: Pixels): void {
  checkSize('pixels', pixels.width, pixels.height);
  const expected = pixels.width * pixels.height * 3;
  if (pixels.data.length === expected) return;
  throw new RangeError(
    `pixels.data has ${pixels.data.length} bytes, but ${pixels.width} x ${pixels.height} RGB needs ${expected}`,
  );
}

function checkNormalization({ mean, std }: Normalization): void {
  for (const channel of [0, 1, 2] as const) {
    checkFinite(`normalization.mean[${channel}]`, mean[channel]);
    checkFinite(`normalization.std[${channel}]`, std[channel]);
    if (Math.fround(std[channel]) !== 0) continue;
    throw new RangeError(`normalization.std[${channel}] is ${std[channel]}, but must not be zero`);
  }
}

/** Returns the bytes that the sample takes. */
export function checkPack(target: Uint8Array, offset: number, format: PackFormat, pixels: number): number {
  if (!Object.hasOwn(DTYPE_BYTES, format.dtype)) {
    throw new RangeError(
      `dtype is ${String(format.dtype)}, but must be one of ${Object.keys(DTYPE_BYTES).join(', ')}`,
    );
  }
  if (format.layout !== 'nchw' && format.layout !== 'nhwc') {
    throw new RangeError(`layout is ${String(format.layout)}, but must be nchw or nhwc`);
  }
  if (format.normalization) checkNormalization(format.normalization);
  const bytes = pixels * 3 * DTYPE_BYTES[format.dtype];
  if (Number.isInteger(offset) && offset >= 0 && offset + bytes <= target.length) return bytes;
  throw new RangeError(
    `offset is ${offset}, but ${bytes} bytes must fit into a target of ${target.length} bytes`,
  );
}
