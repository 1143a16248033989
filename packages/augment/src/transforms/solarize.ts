import { z } from 'zod';
import { probability } from '../validation.js';
import type { Transform } from './transform.js';

export type Solarize = {
  name: 'solarize';
  p: number;
  /** Levels from here up are inverted. */
  threshold: number;
};

export const solarize: Transform<Solarize> = {
  name: 'solarize',
  place: 'pixels',
  stage: 'color',
  key: 'solarize',
  schema: z.strictObject({ p: probability.default(0.2), threshold: z.int().min(0).max(256).default(128) }),
  absent: { solarize: null },
  row: {
    columns: ['solarize_threshold'],
    write: ({ solarize }) => [solarize ?? null],
    read: (_options, [threshold = null]) => ({ solarize: threshold }),
  },
  sample: ({ p, threshold }, draws) => ({ solarize: draws.chance(0, p) ? threshold : null }),
  apply(kernels, params) {
    if (typeof params.solarize === 'number') kernels.solarize(params.solarize);
  },
};
