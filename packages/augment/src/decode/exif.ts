import type { Orientation } from './types.js';

const ORIENTATION_TAG = 0x0112;

const toOrientation = (value: number): Orientation | undefined =>
  Number.isInteger(value) && value >= 1 && value <= 8 ? (value as Orientation) : undefined;

/** One entry of an image file directory: where its value is, or its value when that fits in place. */
export interface IfdEntry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  /** Byte offset of the value (or of its inline bytes) in the file. */
  readonly valueAt: number;
}

export interface Ifd {
  readonly littleEndian: boolean;
  readonly view: DataView;
  readonly entries: ReadonlyMap<number, IfdEntry>;
}

const TYPE_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8] as const;

/**
 * The first directory of a TIFF structure (EXIF blocks are one too), classic or BigTIFF; `null`
 * where the bytes are not such a structure. As in Pillow, reading ends at an entry whose value lies
 * beyond the end, and entries of unknown types are left out.
 */
export function readIfd(bytes: Uint8Array): Ifd | null {
  if (bytes.length < 8) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return null;
  const littleEndian = order === 0x4949;
  const version = view.getUint16(2, littleEndian);
  if (version !== 42 && version !== 43) return null;
  const big = version === 43;
  if (big && bytes.length < 16) return null;
  const offset = big ? Number(view.getBigUint64(8, littleEndian)) : view.getUint32(4, littleEndian);
  const entries = new Map<number, IfdEntry>();
  const countBytes = big ? 8 : 2;
  const entryBytes = big ? 20 : 12;
  if (offset + countBytes > bytes.length) return { littleEndian, view, entries };
  const count = big ? Number(view.getBigUint64(offset, littleEndian)) : view.getUint16(offset, littleEndian);
  for (let i = 0; i < count; i++) {
    const at = offset + countBytes + i * entryBytes;
    if (at + entryBytes > bytes.length) break;
    const tag = view.getUint16(at, littleEndian);
    const type = view.getUint16(at + 2, littleEndian);
    const n = big ? Number(view.getBigUint64(at + 4, littleEndian)) : view.getUint32(at + 4, littleEndian);
    const inlineAt = at + (big ? 12 : 8);
    const size = n * (TYPE_BYTES[type] ?? 0);
    const valueAt =
      size <= (big ? 8 : 4)
        ? inlineAt
        : big
          ? Number(view.getBigUint64(inlineAt, littleEndian))
          : view.getUint32(inlineAt, littleEndian);
    if (valueAt + size > bytes.length) break;
    if (size > 0) entries.set(tag, { tag, type, count: n, valueAt });
  }
  return { littleEndian, view, entries };
}

/** An integer entry's `index`-th value; `undefined` where it is absent or of another type. */
export function ifdInteger(ifd: Ifd, tag: number, index = 0): number | undefined {
  const entry = ifd.entries.get(tag);
  if (entry === undefined || index >= entry.count) return undefined;
  const { view, littleEndian } = ifd;
  const at = entry.valueAt + index * (TYPE_BYTES[entry.type] ?? 0);
  // TIFF 6.0 and BigTIFF; a BYTE is no number to Pillow but a string of bytes.
  switch (entry.type) {
    case 3: // SHORT
      return view.getUint16(at, littleEndian);
    case 4: // LONG
    case 13: // IFD
      return view.getUint32(at, littleEndian);
    case 6: // SBYTE
      return view.getInt8(at);
    case 8: // SSHORT
      return view.getInt16(at, littleEndian);
    case 9: // SLONG
      return view.getInt32(at, littleEndian);
    case 16: // LONG8
      return Number(view.getBigUint64(at, littleEndian));
    default:
      return undefined;
  }
}

/** The orientation that a directory holds: its first integer, 1 where that is out of range. */
export function ifdOrientation(ifd: Ifd): { readonly present: boolean; readonly value: Orientation } {
  const value = ifdInteger(ifd, ORIENTATION_TAG);
  return {
    present: ifd.entries.has(ORIENTATION_TAG),
    value: (value !== undefined && toOrientation(value)) || 1,
  };
}

/**
 * The orientation as `PIL.ImageOps.exif_transpose` finds it: EXIF's tag, else the first
 * `tiff:Orientation` of the XMP packet. Values out of range count as upright, and so does EXIF
 * that cannot be read.
 */
export function findOrientation(exif: Uint8Array | undefined, xmp: Uint8Array | undefined): Orientation {
  if (exif !== undefined) {
    let tiff = exif;
    while (startsWith(tiff, 'Exif\0\0')) tiff = tiff.subarray(6);
    const ifd = readIfd(tiff);
    if (ifd !== null) {
      const { present, value } = ifdOrientation(ifd);
      if (present) return value;
    }
  }
  if (xmp !== undefined) {
    const match = /tiff:Orientation(?:="|>)([0-9])/.exec(Buffer.from(xmp).toString('latin1'));
    if (match !== null) return toOrientation(Number(match[1])) ?? 1;
  }
  return 1;
}

/** True where the bytes begin with the Latin-1 text. */
export function startsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false;
  return true;
}
