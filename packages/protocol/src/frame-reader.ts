import { BinaryReader } from '@bufbuild/protobuf/wire';
import { notAFrame, PREFIX_BYTES, readField } from './frame.js';
import type { Frame } from './generated/cropstream/v1/worker.js';

const NOTHING = new Uint8Array(0);

/** What comes before a frame's data: gRPC's prefix and its other fields. */
interface Head {
  /** All but its data. */
  readonly frame: Frame;
  /** Bytes of all that. */
  readonly length: number;
  readonly dataBytes: number;
  /** Bytes of the message behind its data. */
  readonly tailBytes: number;
}

/**
 * Reads frames out of the bytes of a call as they come. A frame's data is handed on piece by piece, views of what came, so
 * that nothing waits for a message to be whole and nothing is copied. Each piece is a frame: the first has the header, and
 * each its own offset. What is held is the part of a message before its data, where that comes in pieces.
 *
 * The fields that `decodeFrame` knows are to come before the data's bytes, as encoders write them; those of later versions
 * are skipped wherever they are.
 */
export class FrameReader {
  readonly #parts: Uint8Array[] = [];
  #held = 0;
  /** Bytes held from which on it is worth looking at them again. */
  #enough = 0;
  /** Of the piece to come. */
  #header: Frame['header'];
  #offset = 0n;
  #dataBytes = 0;
  #tailBytes = 0;

  /** @param maxBytes the longest message */
  constructor(
    private readonly maxBytes: number,
    private readonly take: (frame: Frame) => void,
  ) {}

  /** The next bytes of the call. @throws RangeError where they are no frames */
  write(bytes: Uint8Array): void {
    for (let rest = this.#withHeld(bytes); rest.length > 0; ) {
      if (this.#dataBytes > 0) rest = this.#readData(rest);
      else if (this.#tailBytes > 0) rest = this.#skipTail(rest);
      else rest = this.#readHead(rest);
    }
  }

  #readData(bytes: Uint8Array): Uint8Array {
    // Most often all that came: no view of it needs to be made.
    const isAll = bytes.length <= this.#dataBytes;
    const data = isAll ? bytes : bytes.subarray(0, this.#dataBytes);
    const piece = { header: this.#header, offset: this.#offset, data };
    this.#dataBytes -= data.length;
    this.#header = undefined;
    this.#offset += BigInt(data.length);
    this.take(piece);
    return isAll ? NOTHING : bytes.subarray(data.length);
  }

  #skipTail(bytes: Uint8Array): Uint8Array {
    const skipped = Math.min(this.#tailBytes, bytes.length);
    this.#tailBytes -= skipped;
    return bytes.subarray(skipped);
  }

  #readHead(bytes: Uint8Array): Uint8Array {
    const end = bytes.length < PREFIX_BYTES ? PREFIX_BYTES : PREFIX_BYTES + this.#messageBytes(bytes);
    const head = bytes.length < PREFIX_BYTES ? null : headOf(bytes, end);
    if (head === null) {
      // Twice as much each time: a long header is not looked at once for each piece of it.
      this.#enough = Math.min(end, 2 * bytes.length);
      this.#hold(bytes);
      return NOTHING;
    }
    this.#header = head.frame.header;
    this.#offset = head.frame.offset;
    this.#dataBytes = head.dataBytes;
    this.#tailBytes = head.tailBytes;
    if (head.dataBytes === 0) this.take(head.frame);
    return bytes.subarray(head.length);
  }

  /** @throws RangeError for a message that is compressed or too long */
  #messageBytes(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
    const length = view.getUint32(1);
    if (view.getUint8(0) !== 0) throw new RangeError('not a frame: it is compressed');
    if (length > this.maxBytes) throw new RangeError(`not a frame: it has ${length} bytes`);
    return length;
  }

  #hold(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#held += bytes.length;
  }

  /** These bytes behind those held; none while that is not enough. */
  #withHeld(bytes: Uint8Array): Uint8Array {
    if (this.#held === 0) return bytes;
    this.#hold(bytes);
    if (this.#held < this.#enough) return NOTHING;
    const all = Buffer.concat(this.#parts.splice(0), this.#held);
    this.#held = 0;
    return all;
  }
}

/**
 * The head of the message in `bytes`, its prefix included, that ends at `end`; null while it is not all there.
 *
 * @throws RangeError where the message is all there, and no frame
 */
function headOf(bytes: Uint8Array, end: number): Head | null {
  const message = bytes.subarray(PREFIX_BYTES, end);
  const bytesToCome = end - bytes.length;
  const frame: Frame = { header: undefined, offset: 0n, data: message.subarray(0, 0) };
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const dataBytes = readField(reader, frame);
      if (dataBytes === null) continue;
      const tailBytes = end - PREFIX_BYTES - reader.pos - dataBytes;
      if (tailBytes < 0) throw new RangeError('its data does not end in it');
      return { frame, length: PREFIX_BYTES + reader.pos, dataBytes, tailBytes };
    }
  } catch (cause) {
    if (bytesToCome > 0) return null;
    throw notAFrame(cause);
  }
  return bytesToCome > 0 ? null : { frame, length: end, dataBytes: 0, tailBytes: 0 };
}
