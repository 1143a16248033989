import { z } from 'zod';
import { probability } from '../validation.js';
import type { Transform } from './transform.js';

export type HorizontalFlip = { name: 'horizontal_flip'; p: number };

export const horizontalFlip: Transform<HorizontalFlip> = {
  name: 'horizontal_flip',
  place: 'pixels',
  stage: 'resize',
  key: 'flip',
  schema: z.strictObject({ p: probability.default(0.5) }),
  absent: { flip: false },
  row: {
    columns: ['flip'],
    write: ({ flip }) => [flip === undefined ? null : Number(flip)],
    read: (_options, [flip]) => ({ flip: flip === 1 }),
  },
  sample: ({ p }, draws) => ({ flip: draws.chance(0, p) }),
  apply(kernels, params) {
    if (params.flip) kernels.flipHorizontal();
  },
};
