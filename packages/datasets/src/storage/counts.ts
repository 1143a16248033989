/** What storages and their cache did since the process began, for metrics. Numbers only grow. */
export interface StorageCounts {
  /** Requests to remote storages, those tried again included. */
  requests: number;
  /** Requests that failed in a way that may pass. */
  retries: number;
  /** Bytes that reads brought from where the data lies, local files included. */
  readBytes: number;
  /** Reads that the cache answered. */
  cacheHits: number;
  cacheHitBytes: number;
  /** Reads that the cache could not answer. */
  cacheMisses: number;
  /** Bytes put into the cache. */
  cacheWrittenBytes: number;
  /** Files that left the cache for room. */
  cacheEvictions: number;
  /** Files of the cache that did not have the bytes they were written with. */
  cacheDamaged: number;
}

export function newStorageCounts(): StorageCounts {
  return {
    requests: 0,
    retries: 0,
    readBytes: 0,
    cacheHits: 0,
    cacheHitBytes: 0,
    cacheMisses: 0,
    cacheWrittenBytes: 0,
    cacheEvictions: 0,
    cacheDamaged: 0,
  };
}
