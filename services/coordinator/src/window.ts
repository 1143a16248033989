import { failure } from '@cropstream/errors';
import { cutChunks, type EpochPlan, rankRange } from '@cropstream/schedule';

/** What a rank's trainer has memory for, those chunks included that it holds already. */
export interface Credits {
  readonly chunks: number;
  readonly bytes: number;
}

export interface RankShape {
  readonly plan: EpochPlan;
  readonly chunkSize: number;
  /** Bytes of one sample's views. */
  readonly sampleBytes: number;
  readonly rank: number;
  readonly worldSize: number;
}

/**
 * How many whole steps a rank's credits hold, counted at the size of a full step.
 *
 * @throws WINDOW_TOO_SMALL when not even one
 */
export function stepsOfCredits(shape: RankShape, credits: Credits): number {
  const slice = rankRange(shape.plan, 0, shape.rank, shape.worldSize);
  const chunks = Math.max(1, cutChunks(slice, shape.chunkSize).length);
  const bytes = Math.max(1, (slice.last - slice.first) * shape.sampleBytes);
  const steps = Math.min(Math.floor(credits.chunks / chunks), Math.floor(credits.bytes / bytes));
  if (steps < 1) {
    throw failure('WINDOW_TOO_SMALL', {
      needed: chunks,
      needed_bytes: bytes,
      given: credits.chunks,
      given_bytes: credits.bytes,
    });
  }
  return steps;
}
