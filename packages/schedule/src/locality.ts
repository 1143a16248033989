import { sampleOf } from './draws.js';

/**
 * The block of a dataset that a chunk reads most of; of equal ones the first that it reads.
 *
 * @param draws of the chunk, at least one
 * @param blockSize samples
 */
export function mostReadBlock(draws: readonly number[], blockSize: number): number {
  const counts = new Map<number, number>();
  let most = 0;
  let mostRead = 0;
  for (const draw of draws) {
    const block = Math.floor(sampleOf(draw) / blockSize);
    const count = (counts.get(block) ?? 0) + 1;
    counts.set(block, count);
    if (count > most) {
      most = count;
      mostRead = block;
    }
  }
  return mostRead;
}
