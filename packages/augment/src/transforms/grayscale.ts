import { z } from 'zod';
import { probability } from '../validation.js';
import type { Transform } from './transform.js';

export type Grayscale = { name: 'grayscale'; p: number };

/** Luma repeated in three channels. */
export const grayscale: Transform<Grayscale> = {
  name: 'grayscale',
  place: 'pixels',
  stage: 'color',
  key: 'grayscale',
  schema: z.strictObject({ p: probability.default(0.2) }),
  absent: { grayscale: false },
  row: {
    columns: ['grayscale'],
    write: ({ grayscale }) => [grayscale === undefined ? null : Number(grayscale)],
    read: (_options, [gray]) => ({ grayscale: gray === 1 }),
  },
  sample: ({ p }, draws) => ({ grayscale: draws.chance(0, p) }),
  apply(kernels, params) {
    if (params.grayscale) kernels.grayscale();
  },
};
