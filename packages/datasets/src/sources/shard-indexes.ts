import type { Shard } from '../manifests/shard-manifest.js';
import { BoundedCache } from './bounded-cache.js';

/** Where the samples of a shard lie in it, and what it holds in memory. */
export interface LoadedIndex<Index> {
  readonly index: Index;
  readonly bytes: number;
}

/** The shards' indexes that a reader used last, so many bytes of them; each is loaded once, whoever asks for it at a time. */
export class ShardIndexes<Index> {
  readonly #cache: BoundedCache<number, Index>;

  /** @param maxBytes kept at most, one larger index excepted */
  constructor(
    private readonly load: (shard: Shard) => Promise<LoadedIndex<Index>>,
    maxBytes: number,
  ) {
    this.#cache = new BoundedCache(maxBytes);
  }

  get(shard: Shard): Promise<Index> {
    return this.#cache.get(shard.number, async () => {
      const { index, bytes } = await this.load(shard);
      return { value: index, bytes };
    });
  }
}
