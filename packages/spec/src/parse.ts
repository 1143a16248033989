import { IMAGENET, invalid, parseField, RECIPES, resolveViews, TransformRegistry } from '@cropstream/augment';
import type { SourceRegistry } from '@cropstream/datasets';
import { type ParsedSpec, type ResolvedSpec, runSpecSchema } from './schema.js';
import { checkSizes } from './sizes.js';

export interface ParseOptions {
  /** Third-party transforms that the service has registered. */
  readonly transforms?: TransformRegistry;
  /** Third-party sources, too. @default those built in */
  readonly sources?: SourceRegistry | undefined;
  /** Samples in the dataset, where known: `global_batch_size` then defaults to min(64, epoch_size or else samples). */
  readonly samples?: number;
}

const DEFAULT_GLOBAL_BATCH = 64;
const DEFAULT_WINDOW = { block_size: 1024, blocks: 16, run_size: 64 };

/**
 * Checks a spec and decides everything that it leaves open. A resolved spec parses to itself.
 * @throws SPEC_INVALID, LIMIT_EXCEEDED, TRANSFORM_UNKNOWN, VIEW_KEY_COLLISION, each naming the field
 */
export function parseSpec(input: unknown, options: ParseOptions = {}): ResolvedSpec {
  checkSizes(input);
  const { sources } = options;
  const schema = sources ? runSpecSchema.extend({ dataset: sources.schema }) : runSpecSchema;
  const spec = parseField(schema, input);
  const recipe = spec.recipe === null ? null : RECIPES[spec.recipe]!;
  if (recipe === null && spec.views === undefined) {
    throw invalid('recipe', undefined, `one of ${Object.keys(RECIPES).join(', ')}; or views`);
  }
  const normalization = spec.normalization ?? recipe?.normalization ?? IMAGENET;
  const registry = options.transforms ?? new TransformRegistry();
  const fallback =
    options.samples === undefined
      ? undefined
      : Math.min(DEFAULT_GLOBAL_BATCH, spec.epoch_size ?? options.samples);
  const globalBatchSize = spec.global_batch_size ?? fallback;
  if (globalBatchSize === undefined) {
    throw invalid('global_batch_size', undefined, 'the number of samples a step takes over all ranks');
  }
  return {
    name: spec.name,
    dataset: spec.dataset,
    recipe: spec.recipe,
    seed: spec.seed,
    global_batch_size: globalBatchSize,
    ...shuffleOf(spec),
    ...(spec.epoch_size !== undefined && { epoch_size: spec.epoch_size }),
    drop_last: spec.drop_last,
    output: spec.output,
    on_bad_sample: spec.on_bad_sample,
    exif_rotation: spec.exif_rotation ?? spec.decode?.exif_rotation ?? false,
    ...draftOf(spec),
    limits: spec.limits,
    chunk_size: spec.chunk_size,
    exclude_fields: [...new Set(spec.exclude_fields)].sort(),
    normalization: { mean: [...normalization.mean], std: [...normalization.std] },
    views: resolveViews(spec.views, recipe, { registry, normalization }),
  };
}

function draftOf({ draft, decode }: ParsedSpec): Pick<ResolvedSpec, 'draft'> {
  const side = draft ?? decode?.draft;
  return side === undefined ? {} : { draft: side };
}

function shuffleOf({
  shuffle,
  shuffle_window,
}: ParsedSpec): Pick<ResolvedSpec, 'shuffle' | 'shuffle_window'> {
  if (shuffle === 'window') {
    const window = shuffle_window ?? DEFAULT_WINDOW;
    if (window.block_size % window.run_size === 0) return { shuffle, shuffle_window: window };
    const { block_size, run_size } = window;
    throw invalid(
      'shuffle_window.run_size',
      run_size,
      `a divisor of shuffle_window.block_size, ${block_size}`,
    );
  }
  if (shuffle_window !== undefined) throw invalid('shuffle', shuffle, 'window, which shuffle_window is for');
  return { shuffle: shuffle === 'full' || shuffle === true };
}
