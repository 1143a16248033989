/** The formats of shards that `convert` writes: one file each in this folder, listed here. No I/O here. */
import type { ShardFormat } from './format.js';
import { litdataShards } from './litdata-shards.js';
import { webdatasetShards } from './webdataset-shards.js';

export const SHARD_FORMATS: readonly ShardFormat[] = [litdataShards, webdatasetShards];

/** @throws RangeError for a name that no format has */
export function shardFormat(name: string): ShardFormat {
  const found = SHARD_FORMATS.find((format) => format.name === name);
  if (found) return found;
  throw new RangeError(`there is no format of shards named ${name}`);
}
