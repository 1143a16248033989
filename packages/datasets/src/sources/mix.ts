import * as z from 'zod';
import { MIX } from '../manifests/mix.js';

/** Datasets of one mix. */
const MAX_DATASETS = 64;
const MAX_WEIGHT = 1000;

/** A dataset's part of a mix: see `mode`. */
const weight = z.number().positive().max(MAX_WEIGHT).default(1);

/**
 * Several datasets drawn from as one.
 *
 * @param schemas of what may be mixed
 */
export function mixSchemaOf<const Schemas extends readonly [z.ZodObject, ...z.ZodObject[]]>(
  schemas: Schemas,
) {
  type Weighted<S> =
    S extends z.ZodObject<infer Shape, infer Config>
      ? z.ZodObject<Shape & { weight: typeof weight }, Config>
      : never;
  const [first, ...others] = schemas.map((schema) => schema.extend({ weight })) as unknown as [
    Weighted<Schemas[number]>,
    ...Weighted<Schemas[number]>[],
  ];
  return z.strictObject({
    source: z.literal(MIX),
    /**
     * `repeat`: in an epoch each of a dataset's samples is drawn `weight` times (0.5: every other). `choose`: of an epoch's
     * draws each dataset has the part that its weight is of all weights.
     */
    mode: z.enum(['repeat', 'choose']).default('repeat'),
    datasets: z
      .array(z.discriminatedUnion('source', [first, ...others]))
      .min(1)
      .max(MAX_DATASETS),
  });
}
