import type { Dtype } from '@cropstream/kernels';
import { z } from 'zod';
import type { Transform } from './transform.js';

type Triple = [number, number, number];

export type Normalize = {
  name: 'normalize';
  mean: Triple;
  std: Triple;
  dtype: Exclude<Dtype, 'uint8'>;
};

const mean = z.tuple([z.number(), z.number(), z.number()], { error: 'three numbers, red green blue' });
const positive = z.number().positive({ error: 'a number above 0' });
const std = z.tuple([positive, positive, positive], { error: 'three numbers above 0, red green blue' });

/** Mean and standard deviation a channel, of values in [0, 1]. */
export const normalizationSchema = z.strictObject({ mean, std });

const schema = z.strictObject({
  mean: mean.optional(),
  std: std.optional(),
  dtype: z.enum(['float32', 'float16', 'bfloat16']).default('float32'),
});

/** ToTensor and Normalize; it happens while packing, so `apply` has nothing to do. */
export const normalize: Transform<Normalize, z.infer<typeof schema>> = {
  name: 'normalize',
  place: 'final',
  stage: 'pack',
  key: null,
  schema,
  complete: (fields, { normalization }) => ({
    mean: fields.mean ?? [...normalization.mean],
    std: fields.std ?? [...normalization.std],
    dtype: fields.dtype,
  }),
  sample: () => ({}),
  apply: () => undefined,
};
