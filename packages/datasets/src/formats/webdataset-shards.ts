import type { ShardFormat, ShardSample } from './format.js';
import { END_OF_ARCHIVE_BYTES, paddingOf, tarHeaderOf } from './tar.js';

/**
 * Tar shards as WebDataset's library writes them: of each sample a `.cls` (where it has a label), the image and a `.json` of its
 * fields, one after the other; and wids' index of the shards.
 */
export const webdatasetShards: ShardFormat = {
  name: 'webdataset',
  compressions: ['none'],

  shardName: (number, total) =>
    `shard-${String(number).padStart(Math.max(6, String(total - 1).length), '0')}.tar`,

  async encode(samples) {
    const parts = samples.flatMap((sample) =>
      membersOf(sample).flatMap(({ name, bytes }) => [
        tarHeaderOf(name, bytes.length),
        bytes,
        paddingOf(bytes.length),
      ]),
    );
    return Buffer.concat([...parts, new Uint8Array(END_OF_ARCHIVE_BYTES)]);
  },

  index(shards) {
    const index = {
      __kind__: 'wids-shard-index-v1',
      wids_version: 1,
      shardlist: shards.map(({ name, samples, bytes }) => ({
        url: name,
        nsamples: samples,
        filesize: bytes,
      })),
    };
    return [{ name: 'shardindex.json', bytes: Buffer.from(`${JSON.stringify(index, null, 1)}\n`, 'utf8') }];
  },
};

/** In the order of their extensions, as the library's TarWriter has them. */
function membersOf({ key, encoded, extension, label, fields }: ShardSample) {
  const members = [{ name: `${key}.${extension}`, bytes: encoded }];
  if (label >= 0) members.push({ name: `${key}.cls`, bytes: Buffer.from(String(label)) });
  // JSON has no NaN: such a number is null there, and NaN again when it is read.
  if (Object.keys(fields).length > 0) {
    members.push({ name: `${key}.json`, bytes: Buffer.from(JSON.stringify(fields), 'utf8') });
  }
  return members.sort((a, b) => (a.name < b.name ? -1 : 1));
}
