import { undecodable } from '../failures.js';
import { expandPalette, type PlainPixels, type PlainSize } from './pixels.js';

const TABLE_SIZE = 4096;

interface GifFrame extends PlainSize {
  readonly left: number;
  readonly top: number;
  readonly frameWidth: number;
  readonly frameHeight: number;
  readonly interlaced: boolean;
  /** The transparent index, which fills what the frame does not cover; 0 where there is none. */
  readonly background: number;
  readonly palette: Uint8Array;
  /** Offset of the LZW data: its minimum code size, then the sub-blocks. */
  readonly dataAt: number;
}

const damaged = (path: string, reason: string): Error => undecodable(path, `a damaged GIF: ${reason}`);

/** GIF89a up to the first frame's pixels. The canvas grows where that frame reaches over it, as in Pillow. */
function readFrame(bytes: Uint8Array, path: string): GifFrame {
  const u16 = (at: number): number => bytes[at]! | (bytes[at + 1]! << 8);
  const cut = (): never => {
    throw damaged(path, 'it ends before its first frame');
  };
  if (bytes.length < 13) cut();
  const flags = bytes[10]!;
  let at = 13;
  let palette = new Uint8Array(0) as Uint8Array;
  if (flags & 0x80) {
    const size = 3 << ((flags & 7) + 1);
    palette = bytes.subarray(at, at + size);
    at += size;
  }
  let background = 0;
  for (;;) {
    const block = bytes[at++];
    if (block === undefined || block === 0x3b) cut();
    if (block === 0x21) {
      if (bytes[at] === 0xf9 && bytes[at + 1]! >= 4 && bytes[at + 2]! & 1) background = bytes[at + 5] ?? 0;
      at++;
      while (bytes[at] !== undefined && bytes[at] !== 0) at += 1 + bytes[at]!;
      at++;
    } else if (block === 0x2c) break;
  }
  if (at + 10 > bytes.length) cut();
  const [left, top, frameWidth, frameHeight] = [u16(at), u16(at + 2), u16(at + 4), u16(at + 6)];
  const frameFlags = bytes[at + 8]!;
  at += 9;
  if (frameFlags & 0x80) {
    const size = 3 << ((frameFlags & 7) + 1);
    palette = bytes.subarray(at, at + size);
    at += size;
  }
  const width = Math.max(u16(6), left + frameWidth);
  const height = Math.max(u16(8), top + frameHeight);
  if (frameWidth === 0 || frameHeight === 0) throw damaged(path, 'its first frame has no pixels');
  const interlaced = (frameFlags & 0x40) !== 0;
  return { width, height, left, top, frameWidth, frameHeight, interlaced, background, palette, dataAt: at };
}

/** Width and height of the canvas, in pixels. */
export function readGifHeader(bytes: Uint8Array, path: string): PlainSize {
  const { width, height } = readFrame(bytes, path);
  return { width, height };
}

/** The first frame on its canvas. Transparent pixels keep their palette's colour, as Pillow's RGB does. */
export function decodeGif(bytes: Uint8Array, path: string): PlainPixels {
  const frame = readFrame(bytes, path);
  const { width, height, left, top, frameWidth, frameHeight } = frame;
  const pixels = unpackLzw(bytes, frame.dataAt, frameWidth * frameHeight, path);
  const canvas = new Uint8Array(width * height).fill(frame.background);
  const rows = frame.interlaced ? interlacedRows(frameHeight) : undefined;
  for (let i = 0; i < frameHeight; i++) {
    const y = rows === undefined ? i : rows[i]!;
    canvas.set(pixels.subarray(i * frameWidth, (i + 1) * frameWidth), (top + y) * width + left);
  }
  return expandPalette(canvas, width, height, frame.palette);
}

/** The four passes of GIF89a, appendix E. */
function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [first, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const) {
    for (let y = first; y < height; y += step) rows.push(y);
  }
  return rows;
}

/** Variable-length LZW of GIF89a, appendix F: exactly `count` indices. */
function unpackLzw(bytes: Uint8Array, start: number, count: number, path: string): Uint8Array {
  const minimumBits = bytes[start] ?? 99;
  if (minimumBits > 12) throw damaged(path, `its LZW code size is ${minimumBits}`);
  const clear = 1 << minimumBits;
  const prefix = new Uint16Array(TABLE_SIZE);
  const suffix = new Uint8Array(TABLE_SIZE);
  const stack = new Uint8Array(TABLE_SIZE + 1);
  const out = new Uint8Array(count);
  let [at, blockLeft, bits, bitCount] = [start + 1, 0, 0, 0];
  let [codeBits, next, previous, first] = [minimumBits + 1, clear + 2, -1, 0];
  for (let written = 0; written < count; ) {
    while (bitCount < codeBits) {
      if (blockLeft === 0) {
        blockLeft = bytes[at++] ?? 0;
        if (blockLeft === 0) throw damaged(path, 'its pixels end too early');
        // Pillow wants a block whole before it reads any of it.
        if (at + blockLeft > bytes.length) throw damaged(path, 'it ends within its pixels');
      }
      bits |= bytes[at++]! << bitCount;
      bitCount += 8;
      blockLeft--;
    }
    const code = bits & ((1 << codeBits) - 1);
    bits >>>= codeBits;
    bitCount -= codeBits;
    if (code === clear) {
      [codeBits, next, previous] = [minimumBits + 1, clear + 2, -1];
      continue;
    }
    if (code === clear + 1) throw damaged(path, 'its pixels end too early');
    if (previous < 0) {
      if (code > clear) throw damaged(path, 'its LZW codes are broken');
      out[written++] = first = code;
      previous = code;
      continue;
    }
    if (code > next) throw damaged(path, 'its LZW codes are broken');
    let depth = 0;
    let link = code;
    if (code === next) {
      stack[depth++] = first;
      link = previous;
    }
    while (link >= clear) {
      if (depth >= TABLE_SIZE || link >= TABLE_SIZE) throw damaged(path, 'its LZW codes are broken');
      stack[depth++] = suffix[link]!;
      link = prefix[link]!;
    }
    stack[depth++] = first = link;
    if (next < TABLE_SIZE) {
      suffix[next] = first;
      prefix[next] = previous;
      if (next === (1 << codeBits) - 1 && codeBits < 12) codeBits++;
      next++;
    }
    previous = code;
    while (depth > 0 && written < count) out[written++] = stack[--depth]!;
  }
  return out;
}
