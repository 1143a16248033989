import type { ReadCache } from './read-cache.js';
import type { ListOptions, ReadOptions, Storage } from './storage.js';

/** A storage whose reads go through the cache, where they are dear enough. */
export function cached(storage: Storage, cache: ReadCache): Storage {
  const { url, cacheKey } = storage;
  if (cacheKey === undefined) return storage;
  return {
    url,
    cacheKey,
    list: (folder: string, options?: ListOptions) => storage.list(folder, options),
    stat: (path: string, signal?: AbortSignal) => storage.stat(path, signal),
    async read(path: string, options: ReadOptions = {}) {
      const { offset = 0, length, version, fresh = false, signal } = options;
      signal?.throwIfAborted();
      const key = { storage: cacheKey, path, version, offset, length };
      const kept = fresh ? null : await cache.get(key);
      if (kept !== null) return kept;
      const bytes = await storage.read(path, options);
      await cache.put(key, bytes);
      return bytes;
    },
    close: () => storage.close(),
  };
}
