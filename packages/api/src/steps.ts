import { z } from 'zod';
import { inUrl } from './page.js';
import { rankQuery, runName, viewShapeSchema } from './runs.js';

/** Rows that one request describes or draws. */
export const ROW_LIMITS = { most: 64, usual: 8, pictures: 16 } as const;

/** x, y, width, height in pixels of the source. */
export const boxSchema = z.tuple([z.number(), z.number(), z.number(), z.number()]);
export type Box = z.output<typeof boxSchema>;

/** How one view of a sample was made. */
export const madeViewSchema = z.object({
  name: z.string(),
  box: boxSchema
    .nullable()
    .describe('What of the source it shows, in source pixels; null where that is no one box.'),
  params: z
    .record(z.string(), z.unknown())
    .describe(
      'In order of application, as `cropstream augment` writes them: box, size, interpolation, flip, ...',
    ),
});
export type MadeView = z.output<typeof madeViewSchema>;

/**
 * A row's pictures, to be shown at once: data URLs. One answer then holds a live sheet whole, and what it shows belongs
 * together.
 */
export const rowPicturesSchema = z.object({
  source: z
    .string()
    .describe('data:image/jpeg, as views are cropped from it; its longer side 640 pixels at most.'),
  views: z
    .array(z.string())
    .describe(
      "data:image/png of each view in the spec's order, its pixels exactly as delivered (before `normalize`).",
    ),
});
export type RowPictures = z.output<typeof rowPicturesSchema>;

/** One sample of a batch. */
export const rowSchema = z
  .object({
    row: z.int().describe('In the batch.'),
    index: z.number().describe('The sample that is delivered.'),
    path: z.string(),
    label: z.number(),
    class_name: z.string().nullable(),
    substituted: z
      .object({ index: z.number(), path: z.string(), code: z.string(), reason: z.string() })
      .nullable()
      .describe('The bad sample that this one stands in for.'),
    source: z.object({ width: z.int(), height: z.int() }).describe('As views are cropped from it.'),
    views: z.array(madeViewSchema).describe("In the spec's order."),
    pictures: rowPicturesSchema.nullable().describe('Null where none were asked for.'),
  })
  .meta({ id: 'Row' });
export type Row = z.output<typeof rowSchema>;

/** What a rank's batch of a step is. */
export const stepSchema = z
  .object({
    run: z.string(),
    run_digest: z.string(),
    step: z.number().describe('The global step.'),
    epoch: z.number(),
    step_in_epoch: z.number(),
    rank: z.int(),
    world_size: z.int(),
    samples: z.int().describe('Of the batch.'),
    views: z.array(viewShapeSchema),
    rows: z.array(rowSchema),
  })
  .meta({ id: 'Step' });
export type Step = z.output<typeof stepSchema>;

const step = inUrl(z.int().min(0)).describe('The global step.');
const row = inUrl(z.int().min(0)).describe('In the batch.');

export const stepParams = z.strictObject({ name: runName, step });
export const rowParams = z.strictObject({ name: runName, step, row });
export const rowViewParams = z.strictObject({ name: runName, step, row, view: z.string().max(128) });

export const rowsQuery = z.strictObject({
  ...rankQuery.shape,
  first_row: inUrl(z.int().min(0)).default(0),
  rows: inUrl(z.int().min(1).max(ROW_LIMITS.most))
    .default(ROW_LIMITS.usual)
    .describe(`How many from there on, ${ROW_LIMITS.most} at most; fewer where the batch has fewer.`),
  pictures: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .default(false)
    .describe(`With the pictures of each row, of ${ROW_LIMITS.pictures} rows at most.`),
});
export type RowsQuery = z.output<typeof rowsQuery>;

/** The header of a replayed batch: its digest, as `cropstream pull --digests` prints it. */
export const BATCH_DIGEST_HEADER = 'cropstream-batch-digest';
