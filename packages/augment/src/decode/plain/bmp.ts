import { undecodable, unsupported } from '../failures.js';
import { expandPalette, type PlainPixels, type PlainSize } from './pixels.js';

/** Compression codes of BITMAPINFOHEADER. */
const RAW = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;

const INFO_SIZES = [12, 40, 52, 56, 64, 108, 124];
const DEPTHS = [1, 4, 8, 16, 24, 32];

interface BmpHeader extends PlainSize {
  readonly bits: number;
  readonly compression: number;
  /** Rows run from the bottom up, the usual case. */
  readonly bottomUp: boolean;
  readonly colors: number;
  /** Bytes that a palette entry takes: 3 in OS/2's header, else 4. */
  readonly entryBytes: number;
  readonly paletteAt: number;
  readonly dataAt: number;
  /** Byte within a 32-bit pixel, or shift within a 16-bit one, of red, green, blue. */
  readonly layout: readonly [number, number, number];
  /** 16 bits only: green has 6 bits (5:6:5), else 5. */
  readonly wideGreen: boolean;
}

const damaged = (path: string, reason: string): Error => undecodable(path, `a damaged BMP: ${reason}`);

export function readBmpHeader(bytes: Uint8Array, path: string): BmpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const infoSize = bytes.length >= 18 ? view.getUint32(14, true) : 0;
  if (infoSize === 0 || 14 + infoSize > bytes.length) throw damaged(path, 'it ends within its header');
  if (!INFO_SIZES.includes(infoSize)) throw damaged(path, `its header has ${infoSize} bytes`);
  const os2 = infoSize === 12;
  const u32 = (at: number): number => (at + 4 <= bytes.length ? view.getUint32(at, true) : 0);
  const topDown = !os2 && bytes[25] === 0xff;
  const width = os2 ? view.getUint16(18, true) : u32(18);
  const height = os2 ? view.getUint16(20, true) : topDown ? 2 ** 32 - u32(22) : u32(22);
  const bits = view.getUint16(os2 ? 24 : 28, true);
  const compression = os2 ? RAW : u32(30);
  const colors = (os2 ? 0 : u32(46)) || 2 ** bits;
  if (width === 0 || height === 0) throw damaged(path, `its header says ${width} x ${height} pixels`);
  if (!DEPTHS.includes(bits)) throw damaged(path, `its pixels have ${bits} bits`);
  if (bits <= 8 && colors > 65536) throw damaged(path, `its palette has ${colors} colours`);
  const entryBytes = os2 ? 3 : 4;
  let dataAt = u32(10);
  let paletteAt = 14 + infoSize;
  if (bits <= 8 && dataAt === paletteAt) dataAt += entryBytes * colors;
  let [layout, wideGreen]: [readonly [number, number, number], boolean] = [
    bits === 16 ? [10, 5, 0] : [2, 1, 0],
    false,
  ];
  if (compression === BITFIELDS) {
    const masksAt = 54;
    if (infoSize === 40) paletteAt += 12;
    const masks = [u32(masksAt), u32(masksAt + 4), u32(masksAt + 8), infoSize >= 56 ? u32(masksAt + 12) : 0];
    [layout, wideGreen] = fieldLayout(bits, masks, path);
  } else if (compression !== RAW && !(compression === RLE8 || compression === RLE4)) {
    throw unsupported(path, `a BMP with compression ${compression}`, 'Convert it: `magick FILE FILE.png`.');
  }
  if (dataAt === 0) dataAt = paletteAt + (bits <= 8 ? entryBytes * colors : 0);
  return {
    width,
    height,
    bits,
    compression,
    bottomUp: !topDown,
    colors,
    entryBytes,
    paletteAt,
    dataAt,
    layout,
    wideGreen,
  };
}

/** The layouts of BI_BITFIELDS that Pillow reads. */
function fieldLayout(
  bits: number,
  masks: readonly number[],
  path: string,
): [readonly [number, number, number], boolean] {
  const key = masks.map((mask) => mask.toString(16)).join(' ');
  const rgb = masks
    .slice(0, 3)
    .map((mask) => mask.toString(16))
    .join(' ');
  if (bits === 32) {
    switch (key) {
      case 'ff0000 ff00 ff 0':
      case 'ff0000 ff00 ff ff000000':
      case '0 0 0 0':
        return [[2, 1, 0], false];
      case 'ff000000 ff0000 ff00 0':
      case 'ff000000 ff0000 ff00 ff':
        return [[3, 2, 1], false];
      case 'ff000000 ff00 ff 0':
      case 'ff000000 ff00 ff ff0000':
        return [[3, 1, 0], false];
      case 'ff ff00 ff0000 ff000000':
        return [[0, 1, 2], false];
    }
  } else if (bits === 24 && rgb === 'ff0000 ff00 ff') return [[2, 1, 0], false];
  else if (bits === 16 && rgb === 'f800 7e0 1f') return [[11, 5, 0], true];
  else if (bits === 16 && rgb === '7c00 3e0 1f') return [[10, 5, 0], false];
  throw unsupported(path, `a BMP with the channel masks ${key}`, 'Convert it: `magick FILE FILE.png`.');
}

export function decodeBmp(bytes: Uint8Array, path: string): PlainPixels {
  const header = readBmpHeader(bytes, path);
  const { width, height, bits, compression } = header;
  if (compression === RLE8 || compression === RLE4) {
    return paletted(unpackRuns(bytes, header, path), bytes, header);
  }
  const stride = ((width * bits + 31) >>> 5) * 4;
  if (header.dataAt + stride * (height - 1) + ((width * bits + 7) >>> 3) > bytes.length) {
    throw damaged(path, 'it ends within its pixels');
  }
  const rowAt = (y: number): number => header.dataAt + stride * (header.bottomUp ? height - 1 - y : y);
  if (bits <= 8) {
    const indices = new Uint8Array(width * height);
    const mask = (1 << bits) - 1;
    for (let y = 0, to = 0; y < height; y++) {
      const row = rowAt(y);
      for (let x = 0; x < width; x++) {
        const bit = x * bits;
        indices[to++] = (bytes[row + (bit >> 3)]! >> (8 - bits - (bit & 7))) & mask;
      }
    }
    return paletted(indices, bytes, header);
  }
  const data = new Uint8Array(width * height * 3);
  const [r, g, b] = header.layout;
  const step = bits >> 3;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, at = rowAt(y); x < width; x++, at += step) {
      if (bits === 16) {
        const pixel = bytes[at]! | (bytes[at + 1]! << 8);
        const greens = header.wideGreen ? 63 : 31;
        data[to++] = ((((pixel >> r) & 31) * 255) / 31) | 0;
        data[to++] = ((((pixel >> g) & greens) * 255) / greens) | 0;
        data[to++] = ((((pixel >> b) & 31) * 255) / 31) | 0;
      } else {
        data[to++] = bytes[at + r]!;
        data[to++] = bytes[at + g]!;
        data[to++] = bytes[at + b]!;
      }
    }
  }
  return { width, height, model: 'rgb', data };
}

function paletted(indices: Uint8Array<ArrayBuffer>, bytes: Uint8Array, header: BmpHeader): PlainPixels {
  const { colors, entryBytes, paletteAt, width, height } = header;
  const palette = new Uint8Array(Math.min(256, colors) * 3);
  for (let i = 0; i * 3 < palette.length; i++) {
    const at = paletteAt + i * entryBytes;
    palette[i * 3] = bytes[at + 2] ?? 0;
    palette[i * 3 + 1] = bytes[at + 1] ?? 0;
    palette[i * 3 + 2] = bytes[at] ?? 0;
  }
  return expandPalette(indices, width, height, palette);
}

/** Run-length encoding (RLE8, RLE4): rows of indices, turned to run from the top down. */
function unpackRuns(bytes: Uint8Array, header: BmpHeader, path: string): Uint8Array<ArrayBuffer> {
  const { width, height, bottomUp } = header;
  const nibbles = header.compression === RLE4;
  const total = width * height;
  const rows = new Uint8Array(total);
  let [at, to, x] = [header.dataAt, 0, 0];
  const put = (index: number): void => {
    if (to < total) rows[to++] = index;
  };
  const putFrom = (byte: number, second: boolean): void =>
    put(nibbles ? (second ? byte & 15 : byte >> 4) : byte);
  while (to < total) {
    const count = bytes[at];
    const value = bytes[at + 1];
    if (count === undefined || value === undefined) break;
    at += 2;
    if (count > 0) {
      const run = x + count > width ? Math.max(0, width - x) : count;
      for (let i = 0; i < run; i++) putFrom(value, i % 2 === 1);
      x += run;
    } else if (value === 0) {
      while (to % width !== 0) put(0);
      x = 0;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      to = Math.min(total, to + (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * width);
      at += 2;
      x = to % width;
    } else {
      const length = nibbles ? value >> 1 : value;
      if (at + length > bytes.length) break;
      for (let i = 0; i < length; i++) {
        const byte = bytes[at + i]!;
        putFrom(byte, false);
        if (nibbles) putFrom(byte, true);
      }
      at += length;
      x += value;
      at += at & 1;
    }
  }
  if (to < total) throw damaged(path, 'it ends within its pixels');
  if (!bottomUp) return rows;
  const turned = new Uint8Array(total);
  for (let y = 0; y < height; y++)
    turned.set(rows.subarray(y * width, (y + 1) * width), (height - 1 - y) * width);
  return turned;
}
