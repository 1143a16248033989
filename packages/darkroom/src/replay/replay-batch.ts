import type { ChunkMaker, MadeChunk } from '@cropstream/chunks';
import type { Batch } from '@cropstream/client';
import { cutChunks, type EpochPlan, locate, rankRange } from '@cropstream/schedule';
import { orderOf, type ResolvedSpec, type SampleCounts } from '@cropstream/spec';
import { assembleBatch } from './assemble.js';

/** A run as far as replaying it goes. */
export interface ReplayedRun {
  readonly maker: ChunkMaker;
  readonly spec: ResolvedSpec;
  readonly plan: EpochPlan;
  readonly facts: SampleCounts;
}

/**
 * A rank's batch of a global step, as its trainer drew it.
 *
 * @throws what making a chunk throws
 */
export async function replayBatch(
  { maker, spec, plan, facts }: ReplayedRun,
  globalStep: number,
  { rank, worldSize }: { readonly rank: number; readonly worldSize: number },
  signal: AbortSignal,
): Promise<Batch> {
  const { epoch, step } = locate(plan, globalStep);
  const order = orderOf(spec, facts, epoch);
  const slice = rankRange(plan, step, rank, worldSize);
  // In a tail of fewer samples than ranks the last ranks' batches are empty, and have a digest all the same.
  const ranges = slice.first === slice.last ? [slice] : cutChunks(slice, spec.chunk_size);
  const chunks: MadeChunk[] = [];
  try {
    for (const { first, last } of ranges) {
      const indices = Array.from({ length: last - first }, (_, i) => order.at(first + i));
      chunks.push(await maker.make({ epoch, indices }, signal));
    }
    return assembleBatch(
      chunks,
      spec.views.map(({ name }) => name),
      { epoch, step, globalStep },
    );
  } finally {
    for (const chunk of chunks) chunk.release();
  }
}
