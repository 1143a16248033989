import {
  DEFAULT_SHARD_MEMORY_BYTES,
  newStorageCounts,
  type OpenOptions,
  ReadCache,
  type RemoteLimits,
  ShardMemory,
  type StorageNews,
} from '@cropstream/datasets';
import type { Emit, Log } from './events.js';

/** Bounds on how a worker reads data; none of them changes what is read. */
export interface DataLimits extends RemoteLimits {
  /** What is kept on disk of what was read; 0: nothing. */
  readonly cacheBytes: number;
  /** What a cell keeps in memory of shards, of all its runs: tables a third, contents two thirds. */
  readonly shardMemoryBytes: number;
}

/** A minute, three times over (`maxAttempts`): a store that is away for less costs time alone. */
export const DEFAULT_DATA_LIMITS: DataLimits = {
  retryMs: 60_000,
  maxRequests: 32,
  silenceMs: 10_000,
  cacheBytes: 10 * 1024 ** 3,
  shardMemoryBytes: DEFAULT_SHARD_MEMORY_BYTES,
};

export interface DataAccessOptions {
  /** @default DEFAULT_DATA_LIMITS */
  readonly dataLimits?: Partial<DataLimits>;
  /** The folder of the cache, shared by all workers of a machine. @default none: nothing is kept */
  readonly dataCache?: string;
}

export interface DataAccess {
  readonly limits: DataLimits;
  readonly open: Pick<OpenOptions, 'storage' | 'memory'>;
  /** What of the limits is in use. */
  used(): Partial<DataLimits>;
  /** Tells what was read since. */
  report(emit: Emit): void;
}

/** How one worker reads data, and its way to tell what that took. */
export function dataAccess({ dataLimits, dataCache }: DataAccessOptions, log: Log): DataAccess {
  const all = { ...DEFAULT_DATA_LIMITS, ...dataLimits };
  const { cacheBytes, shardMemoryBytes, ...limits } = all;
  const counts = newStorageCounts();
  const warn = (reason: string) => log.warn({ reason, folder: dataCache }, 'data cannot be kept on disk');
  const cache =
    dataCache !== undefined && cacheBytes > 0
      ? new ReadCache({ folder: dataCache, maxBytes: cacheBytes, counts, warn })
      : undefined;
  const memory = new ShardMemory(shardMemoryBytes);
  const tell = ({ url, away, seconds }: StorageNews) => {
    const since = Math.round(seconds);
    if (away === null) log.info({ url, seconds: since }, "the dataset's storage is there again");
    else
      log.warn(
        { url, reason: away, seconds: since },
        "the dataset's storage is away: requests are tried again",
      );
  };
  let told = { ...counts };
  return {
    limits: all,
    used: () => ({ shardMemoryBytes: memory.usedBytes }),
    open: { storage: { ...limits, counts, cache, tell }, memory },
    report(emit) {
      const names = Object.keys(counts) as (keyof typeof counts)[];
      if (names.every((name) => counts[name] === told[name])) return;
      const since = newStorageCounts();
      for (const name of names) since[name] = counts[name] - told[name];
      told = { ...counts };
      emit({ kind: 'storage', since });
    },
  };
}
