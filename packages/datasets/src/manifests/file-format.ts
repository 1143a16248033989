/**
 * The binary form of a manifest, and its digest. Little-endian; the columns are aligned, so that a decoded
 * manifest may be a view of its bytes (threads share one copy, in shared memory):
 *
 *     8 bytes   "CSMANIF1": magic and version
 *     u32       bytes of the header H, padding included
 *     u32       samples N
 *     u32       bytes of all paths P
 *     u32       0
 *     H bytes   UTF-8 JSON {"source", "classes", "fields"}, padded with spaces to a multiple of 8
 *     N u64     sizes
 *     N+1 u32   offsets into the paths
 *     N i32     labels
 *     P bytes   paths
 *     32 bytes  the digest: SHA-256 of all that stands before it
 */

import { whyUnsafe } from '../paths.js';
import type { ManifestColumns } from './file-manifest.js';
import {
  alignedBytes,
  bytesOf,
  DIGEST_BYTES,
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
import type { ManifestFacts, ManifestHeader } from './manifest.js';

export const FILE_MAGIC = Buffer.from('CSMANIF1', 'latin1');

export function encodeFileManifest(header: ManifestHeader, columns: ManifestColumns): Uint8Array {
  return sealed(parts(header, columns));
}

/** What the digest covers, in order. */
export function parts(manifest: ManifestHeader, columns: ManifestColumns): Uint8Array[] {
  const { sizes, offsets, labels, paths } = columns;
  const prefix = encodePrefix(FILE_MAGIC, encodeHeader(manifest), labels.length, paths.length);
  return [...prefix, ...[sizes, offsets, labels, paths].map(bytesOf)];
}

/**
 * What stands at the beginning of a manifest, without its samples; null where `start` holds too little of it.
 *
 * @throws DATASET_MALFORMED for anything that `encodeFileManifest` does not write
 */
export function readFileFacts(start: Uint8Array): ManifestFacts | null {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const prefix = readPrefix(FILE_MAGIC, bytes);
  if (prefix === null || bytes.length < prefix.end) return null;
  return { ...parseHeader(bytes.subarray(PREFIX_BYTES, prefix.end)), samples: prefix.entries };
}

/**
 * The columns are views of `input` where it is aligned (copies elsewhere), so it must not change afterwards. Looks at no
 * sample, so that it takes no longer for more of them: `checkSample` does, when one is asked for.
 *
 * @returns with the digest that stands at the end; whether it is theirs is for `checkManifest`
 * @throws DATASET_MALFORMED for anything that `encodeFileManifest` does not write
 */
export function decodeFileManifest(input: Uint8Array): {
  header: ManifestHeader;
  columns: ManifestColumns;
  digest: string;
} {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const prefix = readPrefix(FILE_MAGIC, bytes);
  if (prefix === null) throw malformed('it is too short');
  const { end, entries: samples, pathBytes } = prefix;
  const body = end + 8 * samples + 4 * (samples + 1) + 4 * samples + pathBytes;
  if (bytes.length !== body + DIGEST_BYTES) throw malformed('its length is not what its counts say');

  const header = parseHeader(bytes.subarray(PREFIX_BYTES, end));
  const { buffer, byteOffset } = alignedBytes(bytes);
  const take = placesFrom(byteOffset + end);
  const columns = {
    sizes: new BigUint64Array(buffer, take(8 * samples), samples),
    offsets: new Uint32Array(buffer, take(4 * (samples + 1)), samples + 1),
    labels: new Int32Array(buffer, take(4 * samples), samples),
    paths: new Uint8Array(buffer, take(pathBytes), pathBytes),
  };
  if (columns.offsets[0] !== 0 || columns.offsets[samples] !== pathBytes)
    throw malformed('its offsets do not span its paths');
  return { header, columns, digest: storedDigest(bytes) };
}

/** A digest can be recomputed by whoever forges a manifest, so what is read of it is checked all the same. */
export function checkSample(header: ManifestHeader, columns: ManifestColumns, i: number): void {
  const { offsets, paths, sizes, labels } = columns;
  const start = offsets[i] as number;
  const end = offsets[i + 1] as number;
  if (end < start || end > paths.length) throw malformed(`the offsets of sample ${i} are out of order`);
  const unsafe = whyUnsafe(paths.subarray(start, end));
  if (unsafe !== null) throw malformed(`the path of sample ${i} is not allowed: ${unsafe}`);
  const label = labels[i] as number;
  if (label < -1 || label >= header.classes.length)
    throw malformed(`sample ${i} has label ${label} of no class`);
  if ((sizes[i] as bigint) > MAX_SIZE) throw malformed(`the size of sample ${i} is out of range`);
}

const MAX_SIZE = BigInt(Number.MAX_SAFE_INTEGER);
