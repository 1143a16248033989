import type { Interpolation } from '@cropstream/kernels';
import { z } from 'zod';
import { exp, log } from '../random/elementary.js';
import type { Draws } from '../random/stream.js';
import { interval } from '../validation.js';
import { interpolationField, sizeField } from './size.js';
import { type ImageSize, roundHalfToEven, type Transform } from './transform.js';

export type RandomResizedCrop = {
  name: 'random_resized_crop';
  /** [height, width] in pixels. */
  size: [number, number];
  /** Share of the source's area. */
  scale: [number, number];
  /** Width over height. */
  ratio: [number, number];
  interpolation: Interpolation;
};

export const DEFAULT_RATIO: [number, number] = [3 / 4, 4 / 3];

export const randomResizedCropFields = {
  size: sizeField,
  scale: interval(0, 1)
    .refine(([, high]) => high > 0, { error: 'a pair [low, high] with high above 0' })
    .default([0.08, 1]),
  ratio: interval(1e-3, 1e3).default(DEFAULT_RATIO),
  interpolation: interpolationField.default('bicubic'),
};

const ATTEMPTS = 10;

/**
 * torchvision's RandomResizedCrop.get_params. Attempt k of 10 draws decisions 4k (area), 4k + 1 (log ratio),
 * 4k + 2 (top) and 4k + 3 (left); after ten misses the largest centred box within the ratio's range.
 * @returns [x, y, width, height]
 */
function sampleBox(
  options: RandomResizedCrop,
  draws: Draws,
  image: ImageSize,
): [number, number, number, number] {
  const { width: W, height: H } = image;
  const [r0, r1] = options.ratio;
  const logLow = log(r0);
  const logHigh = log(r1);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const at = 4 * attempt;
    const area = H * W * draws.range(at, options.scale[0], options.scale[1]);
    const ratio = exp(draws.range(at + 1, logLow, logHigh));
    const w = roundHalfToEven(Math.sqrt(area * ratio));
    const h = roundHalfToEven(Math.sqrt(area / ratio));
    if (w > 0 && w <= W && h > 0 && h <= H) {
      const top = draws.integer(at + 2, 0, H - h);
      const left = draws.integer(at + 3, 0, W - w);
      return [left, top, w, h];
    }
  }
  let w = W;
  let h = H;
  // At least one pixel: torchvision's own fallback rounds to an empty box for slivers such as 1 x 400.
  if (W / H < r0) h = roundHalfToEven(W / r0) || 1;
  else if (W / H > r1) w = roundHalfToEven(H * r1) || 1;
  return [Math.floor((W - w) / 2), Math.floor((H - h) / 2), w, h];
}

function cropParams(options: RandomResizedCrop, box: [number, number, number, number]) {
  const [height, width] = options.size;
  const size = width === height ? width : ([width, height] as const);
  return { box, size, interpolation: options.interpolation };
}

export const randomResizedCrop: Transform<RandomResizedCrop> = {
  name: 'random_resized_crop',
  place: 'geometry',
  stage: 'resize',
  key: 'box',
  schema: z.strictObject(randomResizedCropFields),
  scalar: 'size',
  outputSize: (options) => options.size,
  row: {
    columns: ['box_x', 'box_y', 'box_width', 'box_height'],
    write: ({ box }) => box ?? [],
    read: (options, [x, y, width, height]) => cropParams(options, [x ?? 0, y ?? 0, width ?? 0, height ?? 0]),
  },
  sample: (options, draws, image) => cropParams(options, sampleBox(options, draws, image)),
  apply(kernels, params) {
    const [x, y, width, height] = params.box!;
    const size = params.size!;
    const [outWidth, outHeight] = typeof size === 'number' ? [size, size] : size;
    kernels.crop({ x, y, width, height });
    kernels.resize(outWidth, outHeight, params.interpolation!);
  },
};
