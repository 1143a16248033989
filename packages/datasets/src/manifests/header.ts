import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { failure } from '@cropstream/errors';
import * as z from 'zod';
import type { ManifestHeader } from './manifest.js';

/** What every kind of manifest has in its binary form: a header in canonical JSON, and its digest at the end. */

export const ALIGNMENT = 8;
/** SHA-256 of all that stands before it. */
export const DIGEST_BYTES = 32;
/** Hashed in one turn: some milliseconds. */
const PIECE_BYTES = 4 * 1024 * 1024;

export const headerSchema = z.strictObject({
  source: z.string().min(1),
  classes: z.array(z.string()),
  fields: z.array(z.strictObject({ name: z.string().min(1), dtype: z.enum(['string', 'int64', 'float64']) })),
  settings: z.record(z.string(), z.string()).optional(),
});

/** A header in the one order of its keys. */
export function headerJson({ source, classes, fields, settings }: ManifestHeader): object {
  const named = Object.entries(settings ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    source,
    classes,
    fields: fields.map(({ name, dtype }) => ({ name, dtype })),
    // Left out where there are none: the digests of manifests without any stay what they were.
    settings: named.length > 0 ? Object.fromEntries(named) : undefined,
  };
}

/** The header's JSON, padded with spaces to a multiple of 8 bytes. */
export function encodeHeader(header: ManifestHeader): Buffer {
  return padded(Buffer.from(JSON.stringify(headerJson(header)), 'utf8'), ' ');
}

/** @throws DATASET_MALFORMED for anything that `encodeHeader` does not write */
export function parseHeader(bytes: Buffer): ManifestHeader {
  const parsed = headerSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw malformed(`its header is not valid: ${z.prettifyError(parsed.error)}`);
  const header: ManifestHeader = parsed.data;
  // One spelling (and one padding) a header, or equal manifests would have two digests.
  if (!encodeHeader(header).equals(bytes)) throw malformed('its header is not in canonical form');
  return header;
}

export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw malformed('its header is not JSON');
  }
}

/** Bytes before the header of a manifest that has columns of entries: files or shards. */
export const PREFIX_BYTES = 24;

/** The magic, the lengths of the header, the entries and their paths, a reserved word, and the header. */
export function encodePrefix(magic: Buffer, header: Buffer, entries: number, pathBytes: number): Buffer[] {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  magic.copy(prefix);
  prefix.writeUInt32LE(header.length, 8);
  prefix.writeUInt32LE(entries, 12);
  prefix.writeUInt32LE(pathBytes, 16);
  return [prefix, header];
}

/**
 * What `encodePrefix` wrote at the beginning of `bytes`, its header left aside: its bytes stand from PREFIX_BYTES to `end`. null
 * where `bytes` hold too little of it.
 *
 * @throws DATASET_MALFORMED
 */
export function readPrefix(magic: Buffer, bytes: Buffer) {
  if (bytes.length < PREFIX_BYTES) return null;
  if (!bytes.subarray(0, magic.length).equals(magic)) throw malformed('it is no manifest of this version');
  if (bytes.readUInt32LE(20) !== 0) throw malformed('it has a reserved word');
  return {
    end: PREFIX_BYTES + bytes.readUInt32LE(8),
    entries: bytes.readUInt32LE(12),
    pathBytes: bytes.readUInt32LE(16),
  };
}

/** Gives places for columns, one after the other, from `start` on. */
export function placesFrom(start: number): (length: number) => number {
  let at = start;
  return (length) => {
    at += length;
    return at - length;
  };
}

/** The bytes, and more of them up to a multiple of 8. */
export function padded(bytes: Uint8Array, fill: ' ' | 0): Buffer {
  const whole = Buffer.alloc(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT, fill);
  whole.set(bytes);
  return whole;
}

/** The same bytes where typed arrays of eight bytes an entry can be views of them. */
export function alignedBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % ALIGNMENT === 0 ? bytes : new Uint8Array(bytes);
}

export function digestOf(parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The parts one after the other, with their digest. */
export function sealed(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...parts, digestOf(parts)]);
}

/** The digest that stands at the end, in lower-case hexadecimal; whether it is theirs is for `checkManifest`. */
export function storedDigest(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(Math.max(0, bytes.byteLength - DIGEST_BYTES))).toString('hex');
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
  if (storedDigest(bytes) !== digest || hash.digest('hex') !== digest)
    throw malformed('its digest does not match');
}

export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function malformed(reason: string) {
  return failure('DATASET_MALFORMED', { path: 'the manifest', reason });
}
