/** Consecutive samples [first, last) that make one shard. */
export interface ShardRange {
  readonly first: number;
  readonly last: number;
}

export interface ShardSize {
  /** Of the images as the dataset has them. */
  readonly bytes: number;
  readonly samples: number;
}

/**
 * Cuts a dataset into shards that hold no more than `most` of either, but for one sample that is larger by itself. A
 * function of the samples' sizes alone, known before any shard is made: so each can be made by itself, and again.
 */
export async function cutShards(
  length: number,
  sizeOf: (sampleId: number) => number | Promise<number>,
  most: ShardSize,
): Promise<ShardRange[]> {
  const shards: ShardRange[] = [];
  let first = 0;
  let bytes = 0;
  for (let id = 0; id < length; id++) {
    const known = sizeOf(id);
    const size = typeof known === 'number' ? known : await known;
    if (id > first && (bytes + size > most.bytes || id - first >= most.samples)) {
      shards.push({ first, last: id });
      first = id;
      bytes = 0;
    }
    bytes += size;
  }
  if (length > first) shards.push({ first, last: length });
  return shards;
}
