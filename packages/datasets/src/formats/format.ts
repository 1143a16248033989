/** One sample on its way into a shard. */
export interface ShardSample {
  /** Unique in the dataset, without dots or slashes: the name of its files in a tar. */
  readonly key: string;
  /** An image file's bytes, undecoded. */
  readonly encoded: Uint8Array;
  /** What kind of file that is, without the dot: `jpg`. */
  readonly extension: string;
  /** An index into the dataset's classes, or -1. */
  readonly label: number;
  /** What else rides with it by name, `path` among it. Every sample of a dataset has the same names. */
  readonly fields: Readonly<Record<string, string | number>>;
}

/** What all shards of a dataset have in common. */
export interface ShardFormatOptions {
  /** Names by label; empty where there are none. `convert` writes them beside the shards: see classes-file.ts. */
  readonly classes: readonly string[];
  /** Kinds of the samples' `fields`, in the order that they are written in. */
  readonly fields: Readonly<Record<string, 'string' | 'int64' | 'float64'>>;
  /** Compresses shards, where the format knows of it. */
  readonly compression: 'none' | 'zstd';
}

/** A shard as it lies in the folder. */
export interface WrittenShard {
  readonly name: string;
  readonly samples: number;
  /** Of its file. */
  readonly bytes: number;
}

/**
 * Writes shards as another ecosystem's own library does. A shard's bytes are a function of its samples and the options
 * alone: no clock, no host, no order of work. So any shard can be made again.
 */
export interface ShardFormat {
  readonly name: 'litdata' | 'webdataset';
  /** The kinds of compression that it has, `none` among them. */
  readonly compressions: readonly ShardFormatOptions['compression'][];
  /** The file of a shard, relative to the dataset's folder. Names sort in the order of the numbers. */
  shardName(number: number, total: number, options: ShardFormatOptions): string;
  encode(samples: readonly ShardSample[], options: ShardFormatOptions): Promise<Uint8Array>;
  /** The files that make a folder of shards a dataset; written last. */
  index(
    shards: readonly WrittenShard[],
    options: ShardFormatOptions,
  ): readonly { readonly name: string; readonly bytes: Uint8Array }[];
}
