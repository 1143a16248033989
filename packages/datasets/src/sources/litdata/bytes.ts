import { malformed } from '../../malformed.js';

/** Bytes that are read a part at a time: a chunk's file, or what was in a compressed one. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Exactly those bytes, which lie within the size, at the start of an ArrayBuffer of their own. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** @throws DATASET_MALFORMED for a part that a chunk says it has, where it does not lie in it */
export function checkPart({ name, size }: ByteSource, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw malformed(name, `it has ${size} bytes, and its tables name bytes ${offset} to ${offset + length}`);
}

/** Reads a part that a chunk says it has. Throws as `checkPart` does. */
export async function readPart(
  source: ByteSource,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  checkPart(source, offset, length);
  return source.read(offset, length);
}

export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
