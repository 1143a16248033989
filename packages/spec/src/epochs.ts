import { invalid } from '@cropstream/augment';
import type { ManifestFacts } from '@cropstream/datasets';
import {
  apportion,
  type DrawnPart,
  DrawOrder,
  EpochOrder,
  type EpochPlan,
  epochPlan,
  MAX_DRAWS_A_SAMPLE,
  MAX_LENGTH,
  type Order,
  type Shuffle,
} from '@cropstream/schedule';
import type { ResolvedSpec } from './schema.js';

/** How many samples a run's dataset has; of a mix, also each of its datasets. */
export type SampleCounts = Pick<ManifestFacts, 'samples' | 'parts'>;

/**
 * The steps of a run's epochs.
 *
 * @throws NO_FULL_STEP
 * @throws SPEC_INVALID for a mix or an epoch_size that draws a sample too often
 */
export function planOf(spec: ResolvedSpec, counts: SampleCounts): EpochPlan {
  const parts = drawnParts(spec, counts);
  const samples = parts?.reduce((sum, { draws }) => sum + draws, 0) ?? counts.samples;
  return epochPlan({ samples, globalBatchSize: spec.global_batch_size, dropLast: spec.drop_last });
}

/** The order of one of a run's epochs; throws as `planOf` does. */
export function orderOf(spec: ResolvedSpec, counts: SampleCounts, epoch: number): Order {
  const { seed } = spec;
  const shuffle = shuffleOf(spec);
  const parts = drawnParts(spec, counts);
  if (parts === null) return new EpochOrder({ seed, epoch, length: counts.samples, shuffle });
  return new DrawOrder({ seed, epoch, parts, shuffle });
}

function shuffleOf({ shuffle, shuffle_window: window }: ResolvedSpec): Shuffle {
  if (shuffle !== 'window') return shuffle;
  if (window === undefined) throw invalid('shuffle_window', undefined, 'a window beside shuffle: window');
  return { blockSize: window.block_size, blocks: window.blocks, runSize: window.run_size };
}

/** What an epoch draws from each dataset; null where it draws every sample of one dataset once. */
function drawnParts({ dataset, epoch_size }: ResolvedSpec, counts: SampleCounts): DrawnPart[] | null {
  if (dataset.source !== 'mix' && epoch_size === undefined) return null;
  const samples = counts.parts ?? [counts.samples];
  const shares = sharesOf(dataset, samples);
  const draws =
    epoch_size === undefined && shares.repeats
      ? shares.of.map((share) => Math.max(1, Math.round(share)))
      : apportion(epoch_size ?? counts.samples, shares.of);
  return samples.map((samples, i) => {
    const most = Math.min(MAX_LENGTH, samples * (MAX_DRAWS_A_SAMPLE - 2));
    const part = { samples, draws: draws[i] as number };
    if (part.draws <= most) return part;
    const field = dataset.source === 'mix' ? `dataset.datasets[${i}].weight` : 'epoch_size';
    throw invalid(field, part.draws, `at most ${most} draws in an epoch from ${samples} samples`);
  });
}

/** What an epoch's draws are shared out by. `repeats`: they are numbers of draws by themselves. */
function sharesOf(dataset: ResolvedSpec['dataset'], samples: readonly number[]) {
  if (dataset.source !== 'mix') return { of: [1], repeats: false };
  const repeats = dataset.mode === 'repeat';
  const of = dataset.datasets.map(({ weight }, i) => (repeats ? weight * (samples[i] as number) : weight));
  return { of, repeats };
}
