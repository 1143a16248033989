import { z } from 'zod';
import { inUrl, ownerQuery, pageQuery } from './page.js';

/** A tensor of one sample. */
export const viewShapeSchema = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.int()).describe('Of one sample, in the layout of the run.'),
});
export type ViewShape = z.output<typeof viewShapeSchema>;

export const runState = z.enum(['active', 'paused']).describe('paused: no new chunks are made of it.');
export type RunState = z.output<typeof runState>;

export const runSchema = z
  .object({
    name: z.string(),
    owner: z.string(),
    state: runState,
    digest: z.string().describe('Identifies every byte of its stream.'),
    manifest_digest: z.string().describe('Of its dataset: see /datasets.'),
    fingerprint: z.string().describe('Of the pixels: workers of this fingerprint make its chunks.'),
    opened_at: z.iso.datetime(),
    recipe: z.string().nullable(),
    seed: z.number(),
    dataset: z.object({ source: z.string(), url: z.string().describe('Where it lies now.') }),
    samples: z.number().describe('Of an epoch.'),
    global_batch_size: z.int(),
    drop_last: z.boolean(),
    steps_per_epoch: z.number(),
    chunk_size: z.int().describe('Samples a chunk has at most.'),
    sample_bytes: z.int().describe("Bytes of one sample's views."),
    views: z.array(viewShapeSchema),
    ranks: z.int().describe('Attached now, over all its consumers.'),
    next_step: z.number().nullable().describe('The lowest global step that an attached rank draws next.'),
    latest_step: z.number().nullable().describe('The highest global step that an attached rank has drawn.'),
    substitutions_total: z
      .number()
      .describe('Bad samples that another stood in for, in chunks that were made.'),
    errors_total: z.number().describe('Chunks that failed for good.'),
  })
  .meta({ id: 'Run' });
export type Run = z.output<typeof runSchema>;

/** With all that one would open it again from. */
export const runDetailSchema = runSchema
  .extend({
    spec: z.record(z.string(), z.unknown()).describe('Resolved: enough to open the run again.'),
    classes: z.array(z.string()).describe('By label.'),
    fields: z.array(z.object({ name: z.string(), dtype: z.string() })),
  })
  .meta({ id: 'RunDetail' });
export type RunDetail = z.output<typeof runDetailSchema>;

/** What POST /runs answers. */
export const openedRunSchema = runDetailSchema
  .extend({
    created: z.boolean().describe('False: it was open already, with the same digest.'),
    notices: z.array(z.string()).describe('What its opener should know.'),
  })
  .meta({ id: 'OpenedRun' });
export type OpenedRun = z.output<typeof openedRunSchema>;

/** A run spec as its user writes it. Its own schema, in packages/spec, checks what it says: see /recipes for it as JSON Schema. */
export const specBody = z.record(z.string(), z.unknown()).meta({ id: 'Spec' });

/** One attached rank. */
export const rankSchema = z
  .object({
    run: z.string(),
    consumer: z.string().describe('The training job.'),
    rank: z.int(),
    world_size: z.int(),
    next_step: z.number().describe('The global step that it draws next.'),
    epoch: z.number().describe('Of that step.'),
    step_in_epoch: z.number(),
    window_end: z.number().describe('Global steps [next_step, window_end) are wanted.'),
    credit_chunks: z.number().describe('Chunks that the trainer has room for, those it holds included.'),
    waited_seconds: z.number().describe('Waited for data since its process attached first.'),
    elapsed_seconds: z.number().describe('Since its process attached first.'),
    demand_samples_per_second: z
      .number()
      .nullable()
      .describe('What it would take if it never waited for data; null until that is known.'),
    trainer: z.string().describe('host:pid'),
    coordinator: z.string().describe('Which holds its stream.'),
  })
  .meta({ id: 'Rank' });
export type Rank = z.output<typeof rankSchema>;

export const runName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, { error: 'the name of a run' });

export const runParams = z.strictObject({ name: runName });

export const runsQuery = z.strictObject({ ...pageQuery.shape, ...ownerQuery.shape });

/** A rank of a world: whose slice of a step. */
export const rankQuery = z.strictObject({
  ...ownerQuery.shape,
  rank: inUrl(z.int().min(0)).default(0).describe('Whose slice.'),
  world: inUrl(z.int().min(1)).default(1).describe('Of how many ranks.'),
});
export type RankQuery = z.output<typeof rankQuery>;
