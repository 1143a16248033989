import type { Shard } from '../manifests/shard-manifest.js';
import type { ShardMemory } from '../shard-memory.js';
import { BoundedCache } from './bounded-cache.js';

/** Where the samples of a shard lie in it, and what it holds in memory. */
export interface LoadedIndex<Index> {
  readonly index: Index;
  readonly bytes: number;
}

/** The shards' indexes that a reader used last, in the memory for tables; each is loaded once, whoever asks for it at a time. */
export class ShardIndexes<Index> {
  readonly #cache: BoundedCache<number, Index>;

  constructor(
    private readonly load: (shard: Shard) => Promise<LoadedIndex<Index>>,
    memory: ShardMemory,
  ) {
    this.#cache = new BoundedCache(memory.tables);
  }

  get(shard: Shard): Promise<Index> {
    return this.#cache.get(shard.number, async () => {
      const { index, bytes } = await this.load(shard);
      return { value: index, bytes };
    });
  }

  /** Gives the memory back: when the reader is closed. */
  close(): void {
    this.#cache.close();
  }
}
