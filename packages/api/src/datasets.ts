import { z } from 'zod';
import { pageQuery } from './page.js';

export const datasetSchema = z
  .object({
    digest: z.string().describe('Of its manifest: paths, sizes and labels in order.'),
    source: z.string(),
    url: z.string().describe('Where it lies now.'),
    samples: z.number(),
    classes: z.int(),
    fields: z.array(z.object({ name: z.string(), dtype: z.string() })),
    runs: z.array(z.string()).describe('Open runs that draw from it.'),
  })
  .meta({ id: 'Dataset' });
export type Dataset = z.output<typeof datasetSchema>;

/** One sample as the manifest has it. */
export const sampleSchema = z.object({ index: z.number(), path: z.string() }).meta({ id: 'Sample' });
export type Sample = z.output<typeof sampleSchema>;

/** With a page of its samples, in the manifest's order. */
export const datasetDetailSchema = datasetSchema
  .extend({
    class_names: z.array(z.string()).describe('By label.'),
    items: z.array(sampleSchema),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'DatasetDetail' });
export type DatasetDetail = z.output<typeof datasetDetailSchema>;

export const datasetParams = z.strictObject({
  digest: z.string().regex(/^[0-9a-f]{64}$/, { error: '64 hexadecimal digits' }),
});
export const datasetQuery = pageQuery;
