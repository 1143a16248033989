import { undecodable } from '../failures.js';
import type { PlainPixels, PlainSize } from './pixels.js';

interface NetpbmHeader extends PlainSize {
  /** 1 to 6, the digit of the magic number. */
  readonly kind: number;
  readonly maxval: number;
  readonly dataAt: number;
}

const damaged = (path: string, reason: string): Error =>
  undecodable(path, `a damaged Netpbm file: ${reason}`);

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);

/** Reads decimal tokens, with `#` comments up to the line's end, as Netpbm's headers have them. */
class TokenReader {
  constructor(
    private readonly bytes: Uint8Array,
    private readonly path: string,
    public at: number,
  ) {}

  next(what: string): number {
    const { bytes } = this;
    let digits = '';
    for (;;) {
      const byte = bytes[this.at++];
      if (byte === undefined || isSpace(byte)) {
        if (digits.length > 0) break;
        if (byte === undefined) throw damaged(this.path, `it ends before ${what}`);
      } else if (byte === 0x23) {
        while (this.at < bytes.length && bytes[this.at] !== 0x0a && bytes[this.at] !== 0x0d) this.at++;
        this.at++;
      } else {
        digits += String.fromCharCode(byte);
        if (digits.length > 10) throw damaged(this.path, `${what} is too long`);
      }
    }
    if (!/^\+?[0-9]+$/.test(digits))
      throw damaged(this.path, `${what} is ${JSON.stringify(digits)}, not a number`);
    return Number(digits);
  }
}

export function readNetpbmHeader(bytes: Uint8Array, path: string): NetpbmHeader {
  const kind = bytes[1]! - 0x30;
  const tokens = new TokenReader(bytes, path, 3);
  const width = tokens.next('its width');
  const height = tokens.next('its height');
  const maxval = kind === 1 || kind === 4 ? 1 : tokens.next('its maximum value');
  if (width === 0 || height === 0) throw damaged(path, `its header says ${width} x ${height} pixels`);
  if (maxval < 1 || maxval > 65535) throw damaged(path, `its maximum value is ${maxval}, not 1 to 65535`);
  return { kind, width, height, maxval, dataAt: tokens.at };
}

/** Python's round: halves to even. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

/**
 * From file levels to 0..255 as Pillow does: scaled and rounded; but greyscale over 8 bits is
 * scaled to 16 bits and then clipped at 255 (Pillow's mode I to RGB).
 */
function levels(maxval: number, gray: boolean): Uint8Array {
  const table = new Uint8Array(65536).fill(255);
  for (let v = 0; v <= maxval; v++) {
    const scaled = gray && maxval > 255 ? (v / maxval) * 65535 : (v / maxval) * 255;
    table[v] = Math.min(255, roundHalfEven(scaled));
  }
  return table;
}

export function decodeNetpbm(bytes: Uint8Array, path: string): PlainPixels {
  const header = readNetpbmHeader(bytes, path);
  const { kind, width, height, maxval } = header;
  const gray = kind !== 3 && kind !== 6;
  const count = width * height * (gray ? 1 : 3);
  // Binary pixels have a known size: a short file is refused before any memory is taken.
  const sampleBytes = maxval > 255 ? 2 : 1;
  const needed = kind === 4 ? ((width + 7) >> 3) * height : kind > 4 ? count * sampleBytes : 0;
  if (header.dataAt + needed > bytes.length) throw damaged(path, 'it ends within its pixels');
  const data = new Uint8Array(count);
  const table = levels(maxval, gray);
  if (kind === 4) readBits(bytes, header, data);
  else if (kind === 1) readPlainBits(bytes, header, data, path);
  else if (kind < 4) {
    const tokens = new TokenReader(bytes, path, header.dataAt);
    for (let i = 0; i < count; i++) {
      const value = tokens.next('its pixels');
      if (value > maxval) throw damaged(path, `a level is ${value}, over its maximum of ${maxval}`);
      data[i] = table[value]!;
    }
  } else {
    const at = header.dataAt;
    if (sampleBytes === 1) for (let i = 0; i < count; i++) data[i] = table[bytes[at + i]!]!;
    else for (let i = 0; i < count; i++) data[i] = table[(bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!]!;
  }
  return { width, height, model: gray ? 'gray' : 'rgb', data };
}

/** P4: eight pixels a byte, rows padded to bytes, 1 is black. */
function readBits(bytes: Uint8Array, { width, height, dataAt }: NetpbmHeader, out: Uint8Array): void {
  const stride = (width + 7) >> 3;
  for (let y = 0, to = 0; y < height; y++) {
    const row = dataAt + y * stride;
    for (let x = 0; x < width; x++) out[to++] = (bytes[row + (x >> 3)]! >> (7 - (x & 7))) & 1 ? 0 : 255;
  }
}

/** Pillow reads plain files in blocks of this many bytes (`ImageFile.SAFEBLOCK`). */
const PLAIN_BLOCK = 1 << 20;

/**
 * P1: one digit a pixel, blanks between them optional. As Pillow does, it refuses what is neither
 * even behind the last pixel, in the block that holds it.
 */
function readPlainBits(bytes: Uint8Array, { dataAt }: NetpbmHeader, out: Uint8Array, path: string): void {
  let written = 0;
  for (let at = dataAt; at < bytes.length; at++) {
    if (written === out.length && (at - dataAt) % PLAIN_BLOCK === 0) break;
    const byte = bytes[at]!;
    if (byte === 0x23) while (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at++;
    else if (byte === 0x30 || byte === 0x31) {
      if (written < out.length) out[written++] = byte === 0x31 ? 0 : 255;
    } else if (!isSpace(byte)) throw damaged(path, 'a pixel is neither 0 nor 1');
  }
  if (written < out.length) throw damaged(path, 'it ends within its pixels');
}
