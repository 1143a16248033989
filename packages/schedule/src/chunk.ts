import { failure } from '@cropstream/errors';
import type { Range } from './plan.js';

/** The unit of work. It belongs to no rank, world size or attempt. */
export interface ChunkId {
  /** Run digest, lower-case hexadecimal. */
  readonly run: string;
  readonly epoch: number;
  /** Positions [first, last) of the epoch's order. */
  readonly first: number;
  readonly last: number;
}

/**
 * Cuts a range into chunks of `chunkSize` positions, the last one shorter where they do not divide.
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

/** `<run digest>.<epoch>.<first>-<last>`: one spelling a chunk, safe in queue ids, URLs and file names. */
export function chunkKey({ run, epoch, first, last }: ChunkId): string {
  return `${run}.${epoch}.${first}-${last}`;
}

const NATURAL = '(0|[1-9][0-9]{0,15})';
const CHUNK_KEY = new RegExp(`^([0-9a-f]{1,128})\\.${NATURAL}\\.${NATURAL}-${NATURAL}$`);

/**
 * The inverse of `chunkKey`.
 *
 * @throws SPEC_INVALID for anything that `chunkKey` does not write
 */
export function parseChunkKey(key: string): ChunkId {
  const [, run = '', ...numbers] = CHUNK_KEY.exec(key) ?? [];
  const [epoch = -1, first = -1, last = -1] = numbers.map(Number);
  if (run === '' || !(first < last) || Math.max(epoch, last) > Number.MAX_SAFE_INTEGER) {
    throw failure('SPEC_INVALID', {
      field: 'chunk',
      value: JSON.stringify(key.slice(0, 200)),
      allowed: '<run digest>.<epoch>.<first>-<last>',
    });
  }
  return { run, epoch, first, last };
}
