import { z } from 'zod';
import { sizeField } from './size.js';
import { roundHalfToEven, type Transform } from './transform.js';

export type CenterCrop = {
  name: 'center_crop';
  /** [height, width] in pixels. */
  size: [number, number];
};

/** torchvision's: a side that is too short is padded with black, half of it (rounded down) before. */
function start(length: number, wanted: number): number {
  return wanted > length ? 0 - Math.floor((wanted - length) / 2) : roundHalfToEven((length - wanted) / 2);
}

export const centerCrop: Transform<CenterCrop> = {
  name: 'center_crop',
  place: 'geometry',
  stage: 'resize',
  key: 'center_crop',
  schema: z.strictObject({ size: sizeField }),
  scalar: 'size',
  outputSize: ({ size }) => size,
  sample: ({ size: [height, width] }, _draws, image) => ({
    center_crop: [start(image.width, width), start(image.height, height), width, height],
  }),
  apply(kernels, params) {
    const [x, y, width, height] = params.center_crop!;
    kernels.crop({ x, y, width, height });
  },
};
