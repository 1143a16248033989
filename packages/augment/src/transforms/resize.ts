import type { Interpolation } from '@cropstream/kernels';
import { z } from 'zod';
import { keptBox } from './center-crop.js';
import { interpolationField, shortSideOrSize } from './size.js';
import type { ImageSize, Transform } from './transform.js';

export type Resize = {
  name: 'resize';
  /** The short side in pixels, the long one in proportion; or [height, width]. */
  size: number | [number, number];
  interpolation: Interpolation;
};

/** torchvision's Resize: the long side is `trunc(size * long / short)`. @returns [width, height] */
function target(size: Resize['size'], { width, height }: ImageSize): [number, number] {
  if (typeof size !== 'number') return [size[1], size[0]];
  return width <= height
    ? [size, Math.floor((size * height) / width)]
    : [Math.floor((size * width) / height), size];
}

export const resize: Transform<Resize> = {
  name: 'resize',
  place: 'geometry',
  stage: 'resize',
  key: 'resize',
  schema: z.strictObject({ size: shortSideOrSize, interpolation: interpolationField.default('bicubic') }),
  scalar: 'size',
  outputSize: ({ size }) => (typeof size === 'number' ? undefined : size),
  sample: (options, _draws, image) => ({
    resize: target(options.size, image),
    interpolation: options.interpolation,
  }),
  apply(kernels, params) {
    const [width, height] = params.resize!;
    kernels.resize(width, height, params.interpolation!, keptBox(params));
  },
};
