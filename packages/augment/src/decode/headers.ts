import { crc32, inflateSync } from 'node:zlib';
import { findOrientation, ifdInteger, ifdOrientation, readIfd } from './exif.js';
import { undecodable } from './failures.js';
import { swapsAxes } from './orient.js';
import type { ImageHeader } from './types.js';

/** Longest text chunk that is inflated in search of an orientation. */
const MAX_TEXT_BYTES = 1 << 20;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export interface PngHeader extends ImageHeader {
  readonly bitDepth: number;
  /** PNG's colour type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha. */
  readonly colorType: number;
}

/**
 * PNG: IHDR, and the orientation of eXIf, of ImageMagick's "Raw profile type exif" text, or of XMP.
 * As Pillow does, it refuses a wrong checksum in front of the pixels, and only there.
 */
export function readPngHeader(bytes: Uint8Array, path: string): PngHeader {
  const view = viewOf(bytes);
  if (bytes.length < 33 || view.getUint32(12) !== 0x49484452 /* IHDR */) {
    throw undecodable(path, 'a damaged PNG: it has no whole IHDR chunk');
  }
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  let beforePixels = true;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (at + 12 + length > bytes.length) break;
    const type = Buffer.from(bytes.buffer, bytes.byteOffset + at + 4, 4).toString('latin1');
    if (type === 'IDAT') beforePixels = false;
    if (beforePixels && crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw undecodable(path, `a damaged PNG: the checksum of its ${type} chunk is wrong`);
    }
    if (type === 'eXIf') exif = data;
    else if (type === 'tEXt' || type === 'zTXt' || type === 'iTXt') {
      const text = readPngText(type, data);
      if (text?.keyword === 'Raw profile type exif') exif ??= hexProfile(text.value);
      else if (text?.keyword === 'XML:com.adobe.xmp') xmp = text.value;
    }
    if (type === 'IEND') break;
    at += 12 + length;
  }
  return {
    format: 'png',
    width: view.getUint32(16),
    height: view.getUint32(20),
    bitDepth: bytes[24]!,
    colorType: bytes[25]!,
    orientation: findOrientation(exif, xmp),
  };
}

function readPngText(type: string, data: Uint8Array): { keyword: string; value: Uint8Array } | undefined {
  const keywordEnd = data.indexOf(0);
  if (keywordEnd < 1) return undefined;
  const keyword = Buffer.from(data.subarray(0, keywordEnd)).toString('latin1');
  if (keyword !== 'Raw profile type exif' && keyword !== 'XML:com.adobe.xmp') return undefined;
  let value = data.subarray(keywordEnd + 1);
  let compressed = false;
  if (type === 'zTXt') {
    compressed = true;
    value = value.subarray(1);
  } else if (type === 'iTXt') {
    compressed = value[0] === 1;
    const languageEnd = value.indexOf(0, 2);
    const translatedEnd = value.indexOf(0, languageEnd + 1);
    if (languageEnd < 0 || translatedEnd < 0) return undefined;
    value = value.subarray(translatedEnd + 1);
  }
  if (!compressed) return { keyword, value };
  try {
    return { keyword, value: inflateSync(value, { maxOutputLength: MAX_TEXT_BYTES }) };
  } catch {
    return undefined; // metadata that cannot be read does not make the pixels bad
  }
}

/** ImageMagick's text form: a blank line, the name, the length, then hexadecimal lines. */
function hexProfile(text: Uint8Array): Uint8Array {
  const lines = Buffer.from(text).toString('latin1').split('\n').slice(3);
  return Buffer.from(lines.join('').replaceAll(/\s/g, ''), 'hex');
}

/** WebP: the canvas of VP8X, or the frame of VP8 or VP8L; EXIF and XMP chunks. */
export function readWebpHeader(bytes: Uint8Array, path: string): ImageHeader {
  const view = viewOf(bytes);
  let size: { width: number; height: number } | undefined;
  let exif: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const type = Buffer.from(bytes.buffer, bytes.byteOffset + at, 4).toString('latin1');
    const length = view.getUint32(at + 4, true);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'VP8X' && data.length >= 10) {
      size ??= {
        width: 1 + (data[4]! | (data[5]! << 8) | (data[6]! << 16)),
        height: 1 + (data[7]! | (data[8]! << 8) | (data[9]! << 16)),
      };
    } else if (type === 'VP8 ' && data.length >= 10) {
      size ??= {
        width: (data[6]! | (data[7]! << 8)) & 0x3fff,
        height: (data[8]! | (data[9]! << 8)) & 0x3fff,
      };
    } else if (type === 'VP8L' && data.length >= 5) {
      const bits = viewOf(data).getUint32(1, true);
      size ??= { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    } else if (type === 'EXIF') exif ??= data;
    else if (type === 'XMP ') xmp ??= data;
    at += 8 + length + (length & 1);
  }
  if (size === undefined) throw undecodable(path, 'a damaged WebP: it has no whole frame header');
  return { format: 'webp', ...size, orientation: findOrientation(exif, xmp) };
}

/** TIFF's first directory. Its orientation is part of its pixels: see `ImageHeader.orientation`. */
export function readTiffHeader(
  bytes: Uint8Array,
  path: string,
): ImageHeader & { readonly stored: ImageHeader['orientation'] } {
  const ifd = readIfd(bytes);
  const width = ifd === null ? undefined : ifdInteger(ifd, 256);
  const height = ifd === null ? undefined : ifdInteger(ifd, 257);
  if (ifd === null || !width || !height) {
    throw undecodable(path, 'a damaged TIFF: its first directory does not say its size');
  }
  const { present, value } = ifdOrientation(ifd);
  const xmpEntry = ifd.entries.get(700);
  const xmp =
    xmpEntry === undefined ? undefined : bytes.subarray(xmpEntry.valueAt, xmpEntry.valueAt + xmpEntry.count);
  const stored = present ? value : findOrientation(undefined, xmp);
  const turned = swapsAxes(stored);
  return {
    format: 'tiff',
    width: turned ? height : width,
    height: turned ? width : height,
    orientation: 1,
    stored,
  };
}
