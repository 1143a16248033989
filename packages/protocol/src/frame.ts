import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ChunkHeader, type Frame } from './generated/cropstream/v1/worker.js';

/** Payload bytes a frame: gRPC streams messages of 1 to 4 MiB fastest, and buffers 16 of them at each end. */
export const FRAME_BYTES = 1 << 20;

const HEADER = 1;
const OFFSET = 2;
const DATA = 3;
const tag = (field: number, type: WireType) => (field << 3) | type;

/** gRPC's prefix: whether the message is compressed, and its length. */
export const PREFIX_BYTES = 5;

/** Room for a frame of FRAME_BYTES as gRPC sends it; the header of a chunk with hundreds of substitutions wants more. */
export const FRAME_ROOM = FRAME_BYTES + 4096;

/**
 * A frame's protobuf encoding, the same bytes as the generated code's with one copy of `data` instead of
 * two. `data` may be a view of a SharedArrayBuffer. Throws RangeError for an offset outside [0, 2^64).
 */
export function encodeFrame(frame: Frame): Buffer {
  const head = headOf(frame);
  const encoded = Buffer.allocUnsafe(head.length + frame.data.length);
  encoded.set(head, 0);
  copy(frame.data, encoded, head.length);
  return encoded;
}

/**
 * A frame as gRPC sends it, its prefix before its encoding: in `room` where it fits there, else in memory of its own.
 * Throws as `encodeFrame` does.
 */
export function framed(frame: Frame, room: Buffer): Buffer {
  const head = headOf(frame);
  const length = head.length + frame.data.length;
  const bytes = PREFIX_BYTES + length;
  const message = bytes <= room.length ? room.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
  message.writeUInt8(0, 0);
  message.writeUInt32BE(length, 1);
  message.set(head, PREFIX_BYTES);
  copy(frame.data, message, PREFIX_BYTES + head.length);
  return message;
}

/** `set` reads a SharedArrayBuffer word by word, as slow as everything else on a frame's way together: this is a memcpy. */
function copy(from: Uint8Array, to: Buffer, at: number): void {
  if (from.length > 0) to.fill(from, at, at + from.length);
}

/** A frame's encoding but for the bytes of `data` itself, which come last. */
function headOf(frame: Frame): Uint8Array {
  const writer = new BinaryWriter();
  if (frame.header !== undefined) {
    ChunkHeader.encode(frame.header, writer.uint32(tag(HEADER, WireType.LengthDelimited)).fork()).join();
  }
  if (frame.offset !== 0n) {
    if (BigInt.asUintN(64, frame.offset) !== frame.offset) {
      throw new RangeError(`a frame's offset must be in [0, 2^64), not ${frame.offset}`);
    }
    writer.uint32(tag(OFFSET, WireType.Varint)).uint64(frame.offset);
  }
  if (frame.data.length > 0) writer.uint32(tag(DATA, WireType.LengthDelimited)).uint32(frame.data.length);
  return writer.finish();
}

/**
 * The frame again; `data` is a view of `encoded`, not a copy. Fields of later versions are skipped. Throws
 * RangeError where the bytes are no frame: stricter than the generated code, which reads past the ends of
 * embedded messages and stops in silence at a stray group end.
 */
export function decodeFrame(encoded: Uint8Array): Frame {
  const frame: Frame = { header: undefined, offset: 0n, data: encoded.subarray(0, 0) };
  try {
    const reader = new BinaryReader(encoded);
    while (reader.pos < reader.len) {
      const bytes = readField(reader, frame);
      if (bytes === null) continue;
      const end = reader.pos + bytes;
      if (end > reader.len) throw new RangeError('its data does not end in it');
      frame.data = encoded.subarray(reader.pos, end);
      reader.pos = end;
    }
  } catch (cause) {
    throw notAFrame(cause);
  }
  return frame;
}

/** Reads a field into `frame`. Of data, which comes next then, the bytes that it has; null for all else. */
export function readField(reader: BinaryReader, frame: Frame): number | null {
  const [field, type] = reader.tag();
  if (field === DATA && type === WireType.LengthDelimited) return reader.uint32();
  if (field === HEADER && type === WireType.LengthDelimited) frame.header = decodeHeader(reader.bytes());
  else if (field === OFFSET && type === WireType.Varint) frame.offset = reader.uint64() as bigint;
  else reader.skip(type, field);
  return null;
}

export function notAFrame(cause: unknown): RangeError {
  return new RangeError(`not a frame: ${cause instanceof Error ? cause.message : cause}`, { cause });
}

function decodeHeader(encoded: Uint8Array): ChunkHeader {
  const reader = new BinaryReader(encoded);
  const header = ChunkHeader.decode(reader, encoded.length);
  if (reader.pos !== encoded.length) throw new RangeError('the header does not end where it says');
  return header;
}
