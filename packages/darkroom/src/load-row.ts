import { isBadSample } from '@cropstream/augment';
import { type BadSample, withStandIn } from '@cropstream/chunks';
import type { Sample } from '@cropstream/datasets';
import { sampleOf } from '@cropstream/schedule';
import type { ResolvedSpec } from '@cropstream/spec';
import type { Darkroom, OpenDataset, SourceFacts } from './darkroom.js';

/** The sample that a draw delivers, loaded in the darkroom. */
export interface LoadedRow {
  readonly sampleId: number;
  /** What its views' parameters are keyed by. */
  readonly draw: number;
  readonly sample: Sample;
  readonly source: SourceFacts;
  /** The bad sample in whose place it is. */
  readonly standsFor: BadSample | null;
}

/**
 * Loads what a draw delivers: its sample, or what stands in for a bad one, as the workers choose it.
 *
 * @throws as `withStandIn`; SAMPLE_IO, DATASET_CHANGED
 */
export async function loadRow(
  darkroom: Darkroom,
  spec: ResolvedSpec,
  dataset: OpenDataset,
  at: { readonly epoch: number; readonly draw: number },
  signal: AbortSignal,
): Promise<LoadedRow> {
  const { manifest } = dataset;
  const { value, ...delivered } = await withStandIn({ spec, manifest }, at, async (draw) => {
    try {
      const sample = await darkroom.read(dataset, sampleOf(draw), signal);
      return { value: { sample, source: await darkroom.load(sample) }, bad: null };
    } catch (error) {
      if (isBadSample(error)) return { bad: error.toWire() };
      throw error;
    }
  });
  return { ...delivered, ...value };
}
