import {
  DEFAULT_DECODE_LIMITS,
  type DecodeLimits,
  type DecodeOptions,
  limited,
  normalizationSchema,
  RECIPES,
  type ResolvedView,
  seedField,
  viewsInput,
} from '@cropstream/augment';
import { type DatasetConfig, datasetSchema } from '@cropstream/datasets';
import { MAX_LENGTH } from '@cropstream/schedule';
import { z } from 'zod';

/** The most that a spec may ask for. */
export const SPEC_LIMITS = {
  /** Samples a step, over all ranks. */
  globalBatchSize: 1 << 20,
  /** Positions a chunk. */
  chunkSize: 1024,
  /** Pixels of a source image: 16,384 x 16,384. */
  maxPixels: 1 << 28,
  /** Bytes of an encoded source image. */
  maxBytes: 1 << 30,
  /** Pixels: no JPEG has longer sides. */
  draft: 65_535,
  substitutionProbes: 1000,
  /** Samples of a block, and blocks of a window, of a window shuffle. */
  blockSize: 1 << 20,
  windowBlocks: 1 << 16,
} as const;

const limits = z.strictObject({
  max_pixels: limited(z.int().min(1), SPEC_LIMITS.maxPixels)
    .default(DEFAULT_DECODE_LIMITS.maxPixels)
    .describe('Pixels that a source image may have; a larger one is a bad sample.'),
  max_bytes: limited(z.int().min(1), SPEC_LIMITS.maxBytes)
    .default(DEFAULT_DECODE_LIMITS.maxBytes)
    .describe('Bytes that an encoded source image may have; a larger one is a bad sample.'),
  substitution_probes: limited(z.int().min(1), SPEC_LIMITS.substitutionProbes)
    .default(64)
    .describe('Stand-ins tried for a bad sample before the run fails.'),
});

/** The one schema of a run spec, as its user writes it. A resolved spec is a valid input again. */
export const runSpecSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, {
      error: 'letters, digits, . _ - (128 at most), beginning with a letter or digit',
    })
    .default('default')
    .describe('What trainers open and attach to.'),
  dataset: datasetSchema.describe('Where the samples come from.'),
  recipe: z
    .enum(Object.keys(RECIPES) as [string, ...string[]])
    .nullable()
    .default(null)
    .describe('A named set of views; `views` goes on top of it.'),
  seed: seedField.default(0).describe('Of the order and of every crop.'),
  global_batch_size: limited(z.int().min(1), SPEC_LIMITS.globalBatchSize)
    .optional()
    .describe('Samples a step, over all ranks.'),
  shuffle: z
    .union([z.boolean(), z.enum(['full', 'window', 'none'])], {
      error: 'full, window or none; or true or false',
    })
    .default(true)
    .describe(
      'A new order every epoch: any sample anywhere (full, or true), or neighbours near each other (window). none, or false: the order of the dataset.',
    ),
  shuffle_window: z
    .strictObject({
      block_size: limited(z.int().min(2), SPEC_LIMITS.blockSize)
        .default(1024)
        .describe('Consecutive samples that stay together.'),
      blocks: limited(z.int().min(1), SPEC_LIMITS.windowBlocks)
        .default(16)
        .describe('Blocks whose runs are mixed with each other.'),
      run_size: limited(z.int().min(1), SPEC_LIMITS.blockSize)
        .default(64)
        .describe('Samples drawn from one block before the next; it divides block_size.'),
    })
    .optional()
    .describe('Of shuffle: window.'),
  epoch_size: limited(z.int().min(1), MAX_LENGTH)
    .optional()
    .describe('Samples drawn in an epoch; by default each of the dataset once.'),
  drop_last: z.boolean().default(true).describe('Leave out the tail that fills no step.'),
  output: z
    .strictObject({ layout: z.enum(['nchw', 'nhwc']).default('nchw') })
    .prefault({})
    .describe('Layout of the views: nchw is [B, 3, H, W], nhwc is [B, H, W, 3].'),
  on_bad_sample: z
    .enum(['substitute', 'fail'])
    .default('substitute')
    .describe('An undecodable sample: put a good one in its place, or end the run.'),
  decode: z
    .strictObject({
      exif_rotation: z
        .boolean()
        .default(false)
        .describe('Turn images upright first. Off, as in torchvision.'),
      draft: limited(z.int().min(1), SPEC_LIMITS.draft)
        .optional()
        .describe(
          "Decode JPEGs at 1/2, 1/4 or 1/8 of their size where both sides stay so many pixels long at least, as Pillow's Image.draft does: faster, other pixels. Whole by default.",
        ),
    })
    .optional()
    .describe('How files become pixels.'),
  exif_rotation: z.boolean().optional().describe('decode.exif_rotation, as resolved specs have it.'),
  draft: limited(z.int().min(1), SPEC_LIMITS.draft)
    .optional()
    .describe('decode.draft, as resolved specs have it.'),
  limits: limits.prefault({}),
  chunk_size: limited(z.int().min(1), SPEC_LIMITS.chunkSize)
    .default(64)
    .describe('Samples made and sent as one unit; no part of the digest.'),
  exclude_fields: z
    .array(
      z.string().refine((name) => name !== '_indices' && name !== 'labels', {
        error: 'other fields than _indices and labels, which every batch has',
      }),
    )
    .default([])
    .describe('Fields of the samples, such as `path`, that are left out of batches.'),
  normalization: normalizationSchema
    .optional()
    .describe(
      "Mean and std of `normalize`, and for the trainer's own; the recipe's or ImageNet's by default.",
    ),
  views: viewsInput.optional().describe('The named crops.'),
});

export type RunSpecInput = z.input<typeof runSpecSchema>;
export type ParsedSpec = z.output<typeof runSpecSchema>;

/** How a spec has a sample decoded. */
export function decodeOptions({ exif_rotation, draft }: ResolvedSpec, path: string): DecodeOptions {
  return { applyExif: exif_rotation, draft, path };
}

/** What a spec allows of a sample, as decoders take it. */
export function decodeLimits({ limits }: Pick<ResolvedSpec, 'limits'>): DecodeLimits {
  return { maxPixels: limits.max_pixels, maxBytes: limits.max_bytes };
}

/** A spec with everything decided: canonical JSON, enough to open the run again. */
export interface ResolvedSpec {
  readonly name: string;
  readonly dataset: DatasetConfig;
  /** The recipe that the views came from; they are spelled out below. */
  readonly recipe: string | null;
  readonly seed: number;
  readonly global_batch_size: number;
  readonly shuffle: boolean | 'window';
  /** There where `shuffle` is `window`. */
  readonly shuffle_window?: {
    readonly block_size: number;
    readonly blocks: number;
    readonly run_size: number;
  };
  readonly epoch_size?: number;
  readonly drop_last: boolean;
  readonly output: { readonly layout: 'nchw' | 'nhwc' };
  readonly on_bad_sample: 'substitute' | 'fail';
  readonly exif_rotation: boolean;
  /** Pixels; absent where JPEGs are decoded whole. */
  readonly draft?: number;
  readonly limits: {
    readonly max_pixels: number;
    readonly max_bytes: number;
    readonly substitution_probes: number;
  };
  readonly chunk_size: number;
  /** Sorted. */
  readonly exclude_fields: readonly string[];
  readonly normalization: {
    readonly mean: readonly [number, number, number];
    readonly std: readonly [number, number, number];
  };
  readonly views: readonly ResolvedView[];
}
