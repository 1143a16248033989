import type { Shard } from '../manifests/shard-manifest.js';

/** Where the samples of a shard lie in it, and what it holds in memory. */
export interface LoadedIndex<Index> {
  readonly index: Index;
  readonly bytes: number;
}

/**
 * The shards' indexes that a reader used last, so many bytes of them. Each is loaded once, whoever asks for it at a time; one
 * that failed to load is tried again when it is next asked for.
 */
export class ShardIndexes<Index> {
  readonly #loaded = new Map<number, LoadedIndex<Index>>();
  readonly #underWay = new Map<number, Promise<Index>>();
  #bytes = 0;

  /** @param maxBytes kept at most, one larger index excepted */
  constructor(
    private readonly load: (shard: Shard) => Promise<LoadedIndex<Index>>,
    private readonly maxBytes: number,
  ) {}

  get(shard: Shard): Promise<Index> {
    const { number } = shard;
    const known = this.#loaded.get(number);
    if (known) {
      // Put last: the map's order is the order of last use.
      this.#loaded.delete(number);
      this.#loaded.set(number, known);
      return Promise.resolve(known.index);
    }
    const underWay = this.#underWay.get(number);
    if (underWay) return underWay;
    const loading = this.#load(shard).finally(() => this.#underWay.delete(number));
    this.#underWay.set(number, loading);
    return loading;
  }

  async #load(shard: Shard): Promise<Index> {
    const loaded = await this.load(shard);
    this.#loaded.set(shard.number, loaded);
    this.#bytes += loaded.bytes;
    for (const [number, { bytes }] of this.#loaded) {
      if (this.#bytes <= this.maxBytes || number === shard.number) break;
      this.#loaded.delete(number);
      this.#bytes -= bytes;
    }
    return loaded.index;
  }
}
