import { BLOCK_BYTES, TarError } from '../../formats/tar.js';
import { isNeed, type TarEnd, walkTar } from '../../formats/tar-walk.js';
import type { Storage } from '../../storage/storage.js';
import type { ImageChoice } from './names.js';
import { MAX_SHARD_BYTES, SampleGrouper, type ShardIndex, type ShardLeftovers } from './shard-index.js';

/**
 * Bytes that are read at once while headers are looked for. Members that are smaller are read over, so that a read brings many headers; larger
 * ones are skipped (docs/decisions/0221-scanning-tars.md).
 */
export const WINDOW_BYTES = 2 * 1024 * 1024;

export interface ScannedShard {
  readonly index: ShardIndex;
  readonly leftovers: ShardLeftovers;
  readonly end: TarEnd;
}

export interface ScanOptions {
  readonly choice: ImageChoice;
  /** Stops when so many samples are there; all by default. */
  readonly samples?: number;
  /** Whether the shard must lie inside the root when links are followed. */
  readonly inside?: boolean;
  /** The version that the shard must have. */
  readonly version?: string | undefined;
  /** @default WINDOW_BYTES, by benchmarks/shards the best */
  readonly windowBytes?: number;
  /** Told of each window, by how far it reaches. */
  readonly reached?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds a shard's samples by its headers.
 *
 * @param size of the shard in bytes
 * @throws TarError; StorageError
 */
export async function scanShard(
  storage: Storage,
  path: string,
  size: number,
  { choice, samples = Number.POSITIVE_INFINITY, windowBytes = WINDOW_BYTES, reached, ...access }: ScanOptions,
): Promise<ScannedShard> {
  if (size > MAX_SHARD_BYTES) throw new TarError(`it is larger than ${MAX_SHARD_BYTES} bytes`);
  if (size === 0) throw new TarError('it is empty');
  const grouper = new SampleGrouper(choice);
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = 0;
  const walk = walkTar(0, size);
  let step = walk.next();
  while (!step.done && grouper.length < samples) {
    if (!isNeed(step.value)) {
      grouper.add(step.value);
      step = walk.next();
      continue;
    }
    const { offset, length } = step.value;
    if (offset < windowStart || offset + length > windowStart + window.length) {
      const wanted = Math.min(Math.max(windowBytes, length), size - offset);
      window = await storage.read(path, { offset, length: wanted, ...access });
      windowStart = offset;
      if (offset === 0) refuseCompressed(window);
      if (window.length < wanted) throw new TarError(`it ends at byte ${offset + window.length} of ${size}`);
      reached?.(offset + wanted);
    }
    step = walk.next(window.subarray(offset - windowStart, offset - windowStart + length));
  }
  return { ...grouper.finish(), end: step.done ? step.value : 'marked' };
}

const COMPRESSIONS: readonly (readonly [name: string, command: string, magic: readonly number[]])[] = [
  ['gzip', 'gunzip', [0x1f, 0x8b]],
  ['zstd', 'unzstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', 'bunzip2', [0x42, 0x5a, 0x68]],
  ['xz', 'unxz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
];

function refuseCompressed(start: Uint8Array): void {
  for (const [name, command, magic] of COMPRESSIONS) {
    if (!magic.every((byte, i) => start[i] === byte)) continue;
    throw new TarError(
      `it is compressed with ${name}, so that no sample could be read without all before it: unpack it with \`${command}\` (images do not shrink by it)`,
    );
  }
}

/** Where a sample's span starts and how long it is, in bytes. */
export const spanOf = (
  { starts, lengths }: ShardIndex,
  local: number,
): { offset: number; length: number } => ({
  offset: (starts[local] as number) * BLOCK_BYTES,
  length: (lengths[local] as number) * BLOCK_BYTES,
});
