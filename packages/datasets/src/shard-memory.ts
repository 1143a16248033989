/** Something that is kept, with the memory that it takes. */
export interface Kept {
  readonly bytes: number;
  /** Called when it is let go of for others. */
  dropped(): void;
}

/** So many bytes of what was used last. */
export class MemoryPart {
  /** In the order of last use. */
  readonly #kept = new Set<Kept>();
  #bytes = 0;

  /** @param limitBytes kept at most, one larger thing excepted */
  constructor(readonly limitBytes: number) {}

  get usedBytes(): number {
    return this.#bytes;
  }

  /** Lets go of those used least recently, never of the new one. */
  keep(kept: Kept): void {
    this.#kept.add(kept);
    this.#bytes += kept.bytes;
    for (const other of this.#kept) {
      if (this.#bytes <= this.limitBytes || other === kept) break;
      this.release(other);
      other.dropped();
    }
  }

  /** Says that it was used. */
  touch(kept: Kept): void {
    this.#kept.delete(kept);
    this.#kept.add(kept);
  }

  release(kept: Kept): void {
    if (this.#kept.delete(kept)) this.#bytes -= kept.bytes;
  }
}

/** Four chunks of LitData as its own default has them, or 256 MiB of Parquet's pages, and the tables of a large data set. */
export const DEFAULT_SHARD_MEMORY_BYTES = 384 * 1024 * 1024;

/**
 * What readers of shards keep in memory, of all readers that are opened with it. It has two parts, so that contents, which are large,
 * do not drive out the tables, without which nothing is found.
 */
export class ShardMemory {
  /** Where samples lie in their shards, and columns of small values: a third. */
  readonly tables: MemoryPart;
  /** Chunks and batches that were decompressed, pages that were decoded: two thirds. */
  readonly contents: MemoryPart;

  /** @param limitBytes kept at most, one larger thing in each part excepted */
  constructor(readonly limitBytes: number = DEFAULT_SHARD_MEMORY_BYTES) {
    const tables = Math.floor(limitBytes / 3);
    this.tables = new MemoryPart(tables);
    this.contents = new MemoryPart(limitBytes - tables);
  }

  get usedBytes(): number {
    return this.tables.usedBytes + this.contents.usedBytes;
  }
}
