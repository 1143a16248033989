import type { Box } from '@cropstream/kernels';
import { z } from 'zod';
import type { ViewParams } from '../views/params.js';
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

/**
 * What a view keeps of its resized image: of a sliver, a few rows out of millions, and what nobody keeps is never made.
 */
export function keptBox({ center_crop: box }: ViewParams): Box | undefined {
  return box && { x: box[0], y: box[1], width: box[2], height: box[3] };
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
    // A resize before it has made these pixels and no others.
    if (params.resize === undefined) kernels.crop(keptBox(params)!);
  },
};
