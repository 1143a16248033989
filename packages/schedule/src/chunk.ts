import type { Range } from './plan.js';

/**
 * Cuts a range into chunks, the unit of work: `chunkSize` positions each, the last one fewer where they do not
 * divide. A chunk belongs to no rank: ranges that share their start and length share their chunks.
 *
 * @throws RangeError unless `chunkSize` is an integer of at least 1
 */
export function cutChunks({ first, last }: Range, chunkSize: number): Range[] {
  if (!Number.isSafeInteger(chunkSize) || chunkSize < 1) {
    throw new RangeError(`chunkSize must be an integer of at least 1, not ${chunkSize}`);
  }
  const chunks: Range[] = [];
  for (let start = first; start < last; start += chunkSize) {
    chunks.push({ first: start, last: Math.min(start + chunkSize, last) });
  }
  return chunks;
}
