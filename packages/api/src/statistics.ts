import { z } from 'zod';
import { inUrl, ownerQuery } from './page.js';

/** Samples that statistics are drawn from, and how many where nothing is said. */
export const STATISTICS_LIMITS = { most: 10_000, usual: 1000 } as const;

const range = z.tuple([z.number(), z.number()]);

export const histogramSchema = z.object({
  lo: z.number(),
  hi: z.number(),
  counts: z
    .array(z.number())
    .describe('Parts included: each value is counted over the interval that was rounded to it.'),
  total: z.number(),
  mean: z.number(),
  min: z.number(),
  max: z.number(),
});
export type Histogram = z.output<typeof histogramSchema>;

/** Views whose crops are drawn from the same ranges. */
export const cropGroupSchema = z.object({
  views: z.array(z.string()),
  scale: range
    .nullable()
    .describe("Configured share of the source's area; null where a view crops without chance."),
  ratio: range.nullable().describe('Configured width over height.'),
  observed: z
    .object({
      scale: histogramSchema,
      ratio: histogramSchema,
      x: histogramSchema.describe('Position across: 0 left, 1 right.'),
      y: histogramSchema.describe('Position down: 0 top, 1 bottom.'),
    })
    .nullable(),
  expected: z
    .object({ scale: z.array(z.number()), ratio: z.array(z.number()) })
    .nullable()
    .describe('The density to expect for these images in the middle of each bin of `observed`.'),
});
export type CropGroup = z.output<typeof cropGroupSchema>;

export const statisticsSchema = z
  .object({
    samples: z.int().describe('Drawn.'),
    bad: z.int().describe('Draws that fell on files that are no images.'),
    groups: z.array(cropGroupSchema),
    rates: z
      .array(z.object({ view: z.string(), step: z.string(), configured: z.number(), observed: z.number() }))
      .describe('How often each step happened, beside its probability.'),
  })
  .meta({ id: 'Statistics' });
export type Statistics = z.output<typeof statisticsSchema>;

export const statisticsQuery = z.strictObject({
  ...ownerQuery.shape,
  samples: inUrl(z.int().min(1).max(STATISTICS_LIMITS.most))
    .default(STATISTICS_LIMITS.usual)
    .describe(`How many to draw, ${STATISTICS_LIMITS.most} at most.`),
});
