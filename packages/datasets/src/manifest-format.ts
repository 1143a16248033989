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
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { failure } from '@cropstream/errors';
import * as z from 'zod';
import type { ManifestColumns, ManifestHeader } from './manifest.js';
import { whyUnsafe } from './paths.js';

const MAGIC = Buffer.from('CSMANIF1', 'latin1');
const FIXED_BYTES = MAGIC.length + 16;
const ALIGNMENT = 8;
const DIGEST_BYTES = 32;
/** Hashed in one turn: some milliseconds. */
const PIECE_BYTES = 4 * 1024 * 1024;

const headerSchema = z.strictObject({
  source: z.string().min(1),
  classes: z.array(z.string()),
  fields: z.array(z.strictObject({ name: z.string().min(1), dtype: z.enum(['string', 'int64', 'float64']) })),
});

export function digestOf(header: ManifestHeader, columns: ManifestColumns): Buffer {
  const hash = createHash('sha256');
  for (const part of parts(header, columns)) hash.update(part);
  return hash.digest();
}

export function encodeManifest(header: ManifestHeader, columns: ManifestColumns): Uint8Array {
  return Buffer.concat([...parts(header, columns), digestOf(header, columns)]);
}

function headerBytes({ source, classes, fields }: ManifestHeader): Buffer {
  const inOrder = fields.map(({ name, dtype }) => ({ name, dtype }));
  const json = Buffer.from(JSON.stringify({ source, classes, fields: inOrder }), 'utf8');
  const padded = Buffer.alloc(Math.ceil(json.length / ALIGNMENT) * ALIGNMENT, ' ');
  json.copy(padded);
  return padded;
}

function parts(manifest: ManifestHeader, columns: ManifestColumns): Uint8Array[] {
  const header = headerBytes(manifest);
  const fixed = Buffer.alloc(FIXED_BYTES);
  MAGIC.copy(fixed);
  fixed.writeUInt32LE(header.length, 8);
  fixed.writeUInt32LE(columns.labels.length, 12);
  fixed.writeUInt32LE(columns.paths.length, 16);
  const { sizes, offsets, labels, paths } = columns;
  return [fixed, header, ...[sizes, offsets, labels, paths].map(bytesOf)];
}

/** What a manifest's first bytes say of it. */
export interface ManifestFacts extends ManifestHeader {
  readonly samples: number;
}

interface Counts {
  readonly headerBytes: number;
  readonly samples: number;
  readonly pathBytes: number;
}

/**
 * What stands at the beginning of a manifest, without its samples; null where `start` holds too little of it.
 *
 * @throws DATASET_MALFORMED for anything that `encodeManifest` does not write
 */
export function readFacts(start: Uint8Array): ManifestFacts | null {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.length < FIXED_BYTES) return null;
  const { headerBytes, samples } = readCounts(bytes);
  if (bytes.length < FIXED_BYTES + headerBytes) return null;
  return { ...parseHeader(bytes.subarray(FIXED_BYTES, FIXED_BYTES + headerBytes)), samples };
}

function readCounts(bytes: Buffer): Counts {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw malformed('it is no manifest of this version');
  if (bytes.readUInt32LE(20) !== 0) throw malformed('it has a reserved word');
  return {
    headerBytes: bytes.readUInt32LE(8),
    samples: bytes.readUInt32LE(12),
    pathBytes: bytes.readUInt32LE(16),
  };
}

/**
 * The columns are views of `input` where it is aligned (copies elsewhere), so it must not change afterwards. Looks at no
 * sample, so that it takes no longer for more of them: `checkSample` does, when one is asked for.
 *
 * @returns with the digest that stands at the end; whether it is theirs is for `checkManifest`
 * @throws DATASET_MALFORMED for anything that `encodeManifest` does not write
 */
export function decodeManifest(input: Uint8Array): {
  header: ManifestHeader;
  columns: ManifestColumns;
  digest: string;
} {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (bytes.length < FIXED_BYTES) throw malformed('it is too short');
  const { headerBytes: headerLength, samples, pathBytes } = readCounts(bytes);
  const body = FIXED_BYTES + headerLength + 8 * samples + 4 * (samples + 1) + 4 * samples + pathBytes;
  if (bytes.length !== body + DIGEST_BYTES) throw malformed('its length is not what its counts say');

  const header = parseHeader(bytes.subarray(FIXED_BYTES, FIXED_BYTES + headerLength));
  const aligned = bytes.byteOffset % ALIGNMENT === 0 ? bytes : new Uint8Array(bytes);
  const { buffer } = aligned;
  let at = aligned.byteOffset + FIXED_BYTES + headerLength;
  const take = (length: number) => {
    at += length;
    return at - length;
  };
  const columns = {
    sizes: new BigUint64Array(buffer, take(8 * samples), samples),
    offsets: new Uint32Array(buffer, take(4 * (samples + 1)), samples + 1),
    labels: new Int32Array(buffer, take(4 * samples), samples),
    paths: new Uint8Array(buffer, take(pathBytes), pathBytes),
  };
  if (columns.offsets[0] !== 0 || columns.offsets[samples] !== pathBytes)
    throw malformed('its offsets do not span its paths');
  return { header, columns, digest: bytes.subarray(body).toString('hex') };
}

/**
 * Makes sure that bytes from elsewhere are the manifest of that digest, a piece at a time, so that no event loop stands
 * still.
 *
 * @throws DATASET_MALFORMED
 */
export async function checkManifest(bytes: Uint8Array, digest: string): Promise<void> {
  const end = Math.max(0, bytes.byteLength - DIGEST_BYTES);
  const hash = createHash('sha256');
  for (let at = 0; at < end; at += PIECE_BYTES) {
    hash.update(bytes.subarray(at, Math.min(at + PIECE_BYTES, end)));
    await nextTurn();
  }
  const stored = Buffer.from(bytes.subarray(end)).toString('hex');
  if (stored !== digest || hash.digest('hex') !== digest) throw malformed('its digest does not match');
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

function parseHeader(bytes: Buffer): ManifestHeader {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw malformed('its header is not JSON');
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) throw malformed(`its header is not valid: ${z.prettifyError(parsed.error)}`);
  // One spelling (and one padding) a header, or equal manifests would have two digests.
  if (!headerBytes(parsed.data).equals(bytes)) throw malformed('its header is not in canonical form');
  return parsed.data;
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function malformed(reason: string) {
  return failure('DATASET_MALFORMED', { path: 'the manifest', reason });
}
