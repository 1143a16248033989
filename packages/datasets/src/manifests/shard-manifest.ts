/**
 * The manifest of a dataset that lies in shards: an entry a shard, none a sample, so that a billion samples cost what
 * their shards do. Where the samples lie in a shard is the shard's own index (see sources/shard-indexes.ts). Its binary form,
 * little-endian:
 *
 *     8 bytes     "CSSHARD1": magic and version
 *     u32         bytes of the header H, padding included
 *     u32         shards S
 *     u32         bytes of all paths P
 *     u32         0
 *     H bytes     the header's JSON, padded with spaces to a multiple of 8
 *     S u64       bytes of each shard
 *     S+1 u64     the first sample of each shard; the last entry is the number of samples
 *     32 S bytes  the SHA-256 of each shard's index, zeros where none is kept
 *     S+1 u32     offsets into the paths
 *     P bytes     paths
 *     32 bytes    the digest: SHA-256 of all that stands before it
 */
import { failure } from '@cropstream/errors';
import { decodePath, encodePath, lossyUtf8, whyUnsafe } from '../paths.js';
import {
  alignedBytes,
  bytesOf,
  DIGEST_BYTES,
  digestOf,
  encodeHeader,
  encodePrefix,
  malformed,
  PREFIX_BYTES,
  parseHeader,
  placesFrom,
  readPrefix,
  sealed,
  storedDigest,
} from './header.js';
import {
  checkSampleId,
  type Manifest,
  type ManifestFacts,
  type ManifestHeader,
  type SampleField,
} from './manifest.js';

export const SHARD_MAGIC = Buffer.from('CSSHARD1', 'latin1');
const MAX_SAMPLES = 2 ** 40;

/** One file of many samples. */
export interface Shard {
  /** Its place in the dataset, from 0. */
  readonly number: number;
  /** For `Storage`. */
  readonly path: string;
  /** Bytes of its file. */
  readonly size: number;
  readonly samples: number;
  /** SHA-256 of its index in lower-case hexadecimal, where one is kept beside the manifest. */
  readonly indexDigest: string | null;
}

interface Columns {
  readonly sizes: BigUint64Array;
  /** One more than shards. */
  readonly starts: BigUint64Array;
  readonly indexDigests: Uint8Array;
  /** One more than shards. */
  readonly offsets: Uint32Array;
  readonly paths: Uint8Array;
}

/** Its samples are in the shards' order, then in their order in the shard. */
export class ShardManifest implements Manifest {
  readonly source: string;
  readonly classes: readonly string[];
  readonly fields: readonly SampleField[];
  readonly settings: Readonly<Record<string, string>>;
  readonly length: number;
  readonly #columns: Columns;
  #digest: string | undefined;

  constructor(header: ManifestHeader, columns: Columns, decoded: { readonly digest: string } | null = null) {
    this.source = header.source;
    this.classes = Object.freeze([...header.classes]);
    this.fields = Object.freeze([...header.fields]);
    this.settings = header.settings ?? {};
    this.length = Number(columns.starts.at(-1));
    this.#columns = columns;
    this.#digest = decoded?.digest;
  }

  get shardCount(): number {
    return this.#columns.sizes.length;
  }

  get digest(): string {
    this.#digest ??= digestOf(partsOf(this, this.#columns)).toString('hex');
    return this.#digest;
  }

  get bytes(): number {
    return this.#columns.sizes.reduce((sum, size) => sum + Number(size), 0);
  }

  /** @throws RangeError for a shard that it does not have */
  shard(number: number): Shard {
    const { sizes, starts, offsets, paths } = this.#columns;
    if (!Number.isInteger(number) || number < 0 || number >= sizes.length) {
      throw new RangeError(`shard ${number} is not in [0, ${sizes.length})`);
    }
    return {
      number,
      path: decodePath(paths.subarray(offsets[number], offsets[number + 1])),
      size: Number(sizes[number]),
      samples: Number((starts[number + 1] as bigint) - (starts[number] as bigint)),
      indexDigest: this.#indexDigest(number),
    };
  }

  /**
   * The shard of a sample, and which of its samples it is (from 0). O(log shards).
   *
   * @throws RangeError for a sample that it does not have
   */
  locate(sampleId: number): { readonly shard: Shard; readonly local: number } {
    checkSampleId(sampleId, this.length);
    const { starts } = this.#columns;
    const wanted = BigInt(sampleId);
    let low = 0;
    let high = starts.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] as bigint) <= wanted) low = middle;
      else high = middle;
    }
    return { shard: this.shard(low), local: Number(wanted - (starts[low] as bigint)) };
  }

  /** The shard's path, and the sample's number in it: `train-000003.tar#17`. */
  pathOf(sampleId: number): string {
    const { shard, local } = this.locate(sampleId);
    return `${lossyUtf8.decode(encodePath(shard.path))}#${local}`;
  }

  encode(): Uint8Array {
    return sealed(partsOf(this, this.#columns));
  }

  /** @throws DATASET_MALFORMED for bytes that `encode` did not write */
  static decode(input: Uint8Array): ShardManifest {
    const { header, columns } = decodeColumns(input);
    return new ShardManifest(header, columns, { digest: storedDigest(input) });
  }

  #indexDigest(number: number): string | null {
    const digest = this.#columns.indexDigests.subarray(DIGEST_BYTES * number, DIGEST_BYTES * (number + 1));
    return digest.every((byte) => byte === 0) ? null : Buffer.from(digest).toString('hex');
  }
}

/** Gathers shards in order. */
export class ShardManifestBuilder {
  readonly #shards: { path: Uint8Array; size: number; samples: number; indexDigest: string | null }[] = [];
  #samples = 0;

  constructor(private readonly header: ManifestHeader) {}

  /** Samples so far. */
  get length(): number {
    return this.#samples;
  }

  /**
   * Adds the next shard; one without samples is allowed.
   *
   * @param indexDigest of its index, where it is kept
   * @throws LIMIT_EXCEEDED beyond 2^40 samples
   */
  add(path: Uint8Array, size: number, samples: number, indexDigest: string | null): void {
    this.#samples += samples;
    if (this.#samples > MAX_SAMPLES) {
      throw failure('LIMIT_EXCEEDED', {
        field: 'samples of a dataset',
        value: this.#samples,
        limit: MAX_SAMPLES,
      });
    }
    this.#shards.push({ path, size, samples, indexDigest });
  }

  build(): ShardManifest {
    const count = this.#shards.length;
    const columns = {
      sizes: new BigUint64Array(count),
      starts: new BigUint64Array(count + 1),
      indexDigests: new Uint8Array(DIGEST_BYTES * count),
      offsets: new Uint32Array(count + 1),
      paths: Buffer.concat(this.#shards.map(({ path }) => path)),
    };
    for (const [i, { path, size, samples, indexDigest }] of this.#shards.entries()) {
      columns.sizes[i] = BigInt(size);
      columns.starts[i + 1] = (columns.starts[i] as bigint) + BigInt(samples);
      if (indexDigest !== null) columns.indexDigests.set(Buffer.from(indexDigest, 'hex'), DIGEST_BYTES * i);
      columns.offsets[i + 1] = (columns.offsets[i] as number) + path.length;
    }
    return new ShardManifest(this.header, columns);
  }
}

/** What the digest covers, in order. */
function partsOf(manifest: ManifestHeader, columns: Columns): Uint8Array[] {
  const { sizes, starts, indexDigests, offsets, paths } = columns;
  const prefix = encodePrefix(SHARD_MAGIC, encodeHeader(manifest), sizes.length, paths.length);
  return [...prefix, ...[sizes, starts, indexDigests, offsets, paths].map(bytesOf)];
}

/**
 * What stands at the beginning of a manifest of shards; null where `start` holds too little of it: all shards' sizes and
 * starts stand before the number of samples.
 *
 * @throws DATASET_MALFORMED
 */
export function readShardFacts(start: Uint8Array): ManifestFacts | null {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const prefix = readPrefix(SHARD_MAGIC, bytes);
  if (prefix === null) return null;
  const total = prefix.end + 8 * prefix.entries + 8 * prefix.entries;
  if (bytes.length < total + 8) return null;
  const header = parseHeader(bytes.subarray(PREFIX_BYTES, prefix.end));
  return { ...header, samples: checkedSamples(bytes.readBigUInt64LE(total)) };
}

function checkedSamples(samples: bigint): number {
  if (samples > BigInt(MAX_SAMPLES)) throw malformed('it has more than 2^40 samples');
  return Number(samples);
}

function decodeColumns(input: Uint8Array): { header: ManifestHeader; columns: Columns } {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const prefix = readPrefix(SHARD_MAGIC, bytes);
  if (prefix === null) throw malformed('it is too short');
  const { end, entries: shards, pathBytes } = prefix;
  const columnBytes = 8 * shards + 8 * (shards + 1) + DIGEST_BYTES * shards + 4 * (shards + 1) + pathBytes;
  if (bytes.length !== end + columnBytes + DIGEST_BYTES)
    throw malformed('its length is not what its counts say');
  const header = parseHeader(bytes.subarray(PREFIX_BYTES, end));
  const { buffer, byteOffset } = alignedBytes(bytes);
  const take = placesFrom(byteOffset + end);
  const columns = {
    sizes: new BigUint64Array(buffer, take(8 * shards), shards),
    starts: new BigUint64Array(buffer, take(8 * (shards + 1)), shards + 1),
    indexDigests: new Uint8Array(buffer, take(DIGEST_BYTES * shards), DIGEST_BYTES * shards),
    offsets: new Uint32Array(buffer, take(4 * (shards + 1)), shards + 1),
    paths: new Uint8Array(buffer, take(pathBytes), pathBytes),
  };
  checkColumns(columns);
  return { header, columns };
}

/** Shards are few: all are checked at once. */
function checkColumns({ sizes, starts, offsets, paths }: Columns): void {
  if (starts[0] !== 0n || offsets[0] !== 0) throw malformed('its first shard does not begin at 0');
  if (offsets.at(-1) !== paths.length) throw malformed('its offsets do not span its paths');
  for (const [i, size] of sizes.entries()) {
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`the size of shard ${i} is out of range`);
    if ((starts[i + 1] as bigint) < (starts[i] as bigint))
      throw malformed(`the samples of shard ${i} are out of order`);
    const [from, to] = [offsets[i] as number, offsets[i + 1] as number];
    if (to < from) throw malformed(`the offsets of shard ${i} are out of order`);
    const unsafe = whyUnsafe(paths.subarray(from, to));
    if (unsafe !== null) throw malformed(`the path of shard ${i} is not allowed: ${unsafe}`);
  }
  checkedSamples(starts.at(-1) as bigint);
}
