import type { ImageFormat } from './types.js';

export type Sniffed =
  | { readonly kind: 'supported'; readonly format: ImageFormat }
  | { readonly kind: 'unsupported'; readonly format: string /** A sentence. */; readonly fix: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'empty' };

interface Signature {
  readonly at?: number;
  /** Latin-1 text or bytes that the file has at `at`. */
  readonly magic: string;
  readonly format: string;
  readonly fix: string;
}

const TO_PNG = 'Convert it: `magick FILE FILE.png`.';
const ARCHIVE = 'Unpack the archive and point the dataset at the folder of images.';
const VIDEO = 'Take frames out of it first: `ffmpeg -i FILE frame_%06d.png`.';
const NOT_IMAGE = 'It is no image: remove it from the dataset.';

const SUPPORTED: readonly (readonly [magic: string, format: ImageFormat])[] = [
  ['\xff\xd8\xff', 'jpeg'],
  ['\x89PNG\r\n\x1a\n', 'png'],
  ['GIF87a', 'gif'],
  ['GIF89a', 'gif'],
  ['II\x2a\x00', 'tiff'],
  ['MM\x00\x2a', 'tiff'],
  ['II\x2b\x00', 'tiff'],
  ['MM\x00\x2b', 'tiff'],
];

const UNSUPPORTED: readonly Signature[] = [
  { magic: '\xff\x0a', format: 'JPEG XL', fix: 'Convert it: `djxl FILE FILE.png`.' },
  { magic: '\0\0\0\x0cJXL \r\n\x87\n', format: 'JPEG XL', fix: 'Convert it: `djxl FILE FILE.png`.' },
  {
    magic: '\0\0\0\x0cjP  \r\n\x87\n',
    format: 'JPEG 2000',
    fix: 'Convert it: `opj_decompress -i FILE -o FILE.png`.',
  },
  {
    magic: '\xff\x4f\xff\x51',
    format: 'JPEG 2000',
    fix: 'Convert it: `opj_decompress -i FILE -o FILE.png`.',
  },
  { magic: 'II\xbc', format: 'JPEG XR', fix: 'Convert it: `JxrDecApp -i FILE -o FILE.bmp`.' },
  { magic: '8BPS', format: 'Photoshop (PSD)', fix: 'Convert it: `magick "FILE[0]" FILE.png`.' },
  { magic: '%PDF-', format: 'PDF', fix: 'Convert it: `pdftoppm -png FILE page`.' },
  { magic: '%!PS', format: 'PostScript', fix: 'Convert it: `gs -sDEVICE=png16m -o FILE.png FILE`.' },
  { magic: '\0\0\x01\0', format: 'Windows icon (ICO)', fix: TO_PNG },
  { magic: '\0\0\x02\0', format: 'Windows cursor (CUR)', fix: TO_PNG },
  { magic: 'icns', format: 'Apple icon (ICNS)', fix: TO_PNG },
  { magic: '\x76\x2f\x31\x01', format: 'OpenEXR', fix: TO_PNG },
  { magic: '#?RADIANCE', format: 'Radiance HDR', fix: TO_PNG },
  { magic: 'DDS ', format: 'DirectDraw Surface', fix: TO_PNG },
  { magic: 'qoif', format: 'QOI', fix: TO_PNG },
  { magic: 'P7\n', format: 'Netpbm PAM (P7)', fix: 'Convert it: `pamtopnm FILE > FILE.ppm`.' },
  { magic: 'PF\n', format: 'Netpbm PFM (float)', fix: TO_PNG },
  { magic: 'Pf\n', format: 'Netpbm PFM (float)', fix: TO_PNG },
  { magic: 'SIMPLE  =', format: 'FITS', fix: TO_PNG },
  { at: 128, magic: 'DICM', format: 'DICOM', fix: 'Convert it: `dcm2img FILE FILE.png` (DCMTK).' },
  { magic: 'FUJIFILMCCD-RAW', format: 'camera raw (RAF)', fix: 'Convert it: `dcraw_emu -T FILE` (LibRaw).' },
  {
    magic: '\x93NUMPY',
    format: 'NumPy array',
    fix: 'Convert it: `Image.fromarray(numpy.load(FILE)).save("FILE.png")`.',
  },
  { magic: '\x89HDF\r\n\x1a\n', format: 'HDF5', fix: 'Write its images out as PNG, one file each.' },
  { magic: '\x1a\x45\xdf\xa3', format: 'video (Matroska/WebM)', fix: VIDEO },
  { magic: '\0\0\x01\xba', format: 'video (MPEG)', fix: VIDEO },
  { magic: '\0\0\x01\xb3', format: 'video (MPEG)', fix: VIDEO },
  { magic: 'FLV\x01', format: 'video (FLV)', fix: VIDEO },
  { magic: 'PK\x03\x04', format: 'zip archive', fix: ARCHIVE },
  { magic: 'PK\x05\x06', format: 'zip archive', fix: ARCHIVE },
  { magic: '\x1f\x8b', format: 'gzip data', fix: 'Unpack it: `gunzip FILE`.' },
  { magic: '\x28\xb5\x2f\xfd', format: 'zstd data', fix: 'Unpack it: `zstd -d FILE`.' },
  { magic: 'BZh', format: 'bzip2 data', fix: 'Unpack it: `bunzip2 FILE`.' },
  { magic: '\xfd7zXZ\0', format: 'xz data', fix: 'Unpack it: `unxz FILE`.' },
  { magic: '7z\xbc\xaf\x27\x1c', format: '7-Zip archive', fix: ARCHIVE },
  { magic: 'Rar!\x1a\x07', format: 'RAR archive', fix: ARCHIVE },
  { at: 257, magic: 'ustar', format: 'tar archive', fix: ARCHIVE },
  {
    magic: '\x00\x05\x16\x07',
    format: "macOS resource file (AppleDouble, '._' in its name)",
    fix: 'Delete it: `find DIR -name "._*" -delete`.',
  },
  {
    magic: '\0\0\0\x01Bud1',
    format: 'macOS .DS_Store',
    fix: 'Delete it: `find DIR -name .DS_Store -delete`.',
  },
  {
    magic: 'version https://git-lfs.github.com/spec/',
    format: 'Git LFS pointer',
    fix: 'Fetch what it points to: `git lfs pull`.',
  },
  { magic: 'SQLite format 3\0', format: 'SQLite database', fix: NOT_IMAGE },
  { magic: '\x7fELF', format: 'executable', fix: NOT_IMAGE },
];

/** Brands of ISO base media files (`ftyp` boxes), by their first letters. */
const BRANDS: readonly (readonly [brand: RegExp, format: string, fix: string])[] = [
  [/^avi[fs]/, 'AVIF', 'Convert it: `avifdec FILE FILE.png`.'],
  [
    /^(hei|hev|mif1|msf1)/,
    'HEIC/HEIF',
    'Convert it: `heif-convert FILE FILE.jpg`, or on macOS `sips -s format jpeg FILE`.',
  ],
  [/^crx /, 'camera raw (CR3)', 'Convert it: `dcraw_emu -T FILE` (LibRaw).'],
  [/^jxl /, 'JPEG XL', 'Convert it: `djxl FILE FILE.png`.'],
  [/^(jp2|jpx|jpm)/, 'JPEG 2000', 'Convert it: `opj_decompress -i FILE -o FILE.png`.'],
  [/^qt {2}/, 'video (QuickTime)', VIDEO],
  [/./, 'video (MP4)', VIDEO],
];

/**
 * Tells what bytes are by their first few, never by a file's name: a PNG that is called .jpg is a
 * PNG. Needs at most the first 512 bytes. JPEG is recognised as Pillow does (FF D8 FF).
 */
export function sniff(bytes: Uint8Array): Sniffed {
  if (bytes.length === 0) return { kind: 'empty' };
  const head = latin1(bytes.subarray(0, 512));
  for (const [magic, format] of SUPPORTED) {
    if (head.startsWith(magic)) return { kind: 'supported', format };
  }
  if (head.startsWith('RIFF')) return sniffRiff(head);
  if (head.startsWith('BM') && isBitmapHeader(bytes)) return { kind: 'supported', format: 'bmp' };
  if (/^P[1-6][ \t\n\v\f\r]/.test(head)) return { kind: 'supported', format: 'ppm' };
  if (head.startsWith('ftyp', 4)) {
    const [, format, fix] = BRANDS.find(([brand]) => brand.test(ftypBrand(head)))!;
    return { kind: 'unsupported', format, fix };
  }
  for (const { at = 0, magic, format, fix } of UNSUPPORTED) {
    if (head.startsWith(magic, at)) return { kind: 'unsupported', format, fix };
  }
  return sniffText(head, bytes);
}

function sniffRiff(head: string): Sniffed {
  const form = head.slice(8, 12);
  if (form === 'WEBP') return { kind: 'supported', format: 'webp' };
  if (form === 'AVI ') return { kind: 'unsupported', format: 'video (AVI)', fix: VIDEO };
  return { kind: 'unsupported', format: `RIFF file (${printable(form)})`, fix: NOT_IMAGE };
}

/** The brand that decides: the major one, or AVIF's or HEIC's own where the major one is generic. */
function ftypBrand(head: string): string {
  const size = head.charCodeAt(2) * 256 + head.charCodeAt(3);
  const major = head.slice(8, 12);
  if (!/^m[is]f1/.test(major)) return major;
  const compatible = head.slice(16, Math.min(Math.max(size, 16), 512)).match(/.{4}/gs) ?? [];
  return compatible.find((brand) => /^avi[fs]/.test(brand)) ?? major;
}

function isBitmapHeader(bytes: Uint8Array): boolean {
  // "BM" alone begins many a text; a bitmap has one of the known info header sizes at byte 14.
  return bytes.length < 18 || (bytes[14]! <= 124 && bytes[15] === 0 && bytes[16] === 0 && bytes[17] === 0);
}

function sniffText(head: string, bytes: Uint8Array): Sniffed {
  const text = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^(<\?xml[\s\S]*?)?(<!--[\s\S]*?-->|<!DOCTYPE svg[\s\S]*?>|\s)*<svg[\s>]/.test(text)) {
    return { kind: 'unsupported', format: 'SVG', fix: 'Convert it: `rsvg-convert FILE -o FILE.png`.' };
  }
  if (/^<(!doctype html|html|head|body)/i.test(text)) {
    return {
      kind: 'unsupported',
      format: 'HTML',
      fix: 'It is a web page, most likely an error page saved instead of the image: download the image again.',
    };
  }
  if (text.startsWith('<?xml')) return { kind: 'unsupported', format: 'XML', fix: NOT_IMAGE };
  if (/^[{[]\s*["{[]/.test(text)) return { kind: 'unsupported', format: 'JSON', fix: NOT_IMAGE };
  if (text.length > 0 && /^[\t\n\r\x20-\x7e]*$/.test(text)) {
    return { kind: 'unsupported', format: 'plain text', fix: NOT_IMAGE };
  }
  if (bytes.length >= 16 && bytes.subarray(0, 512).every((byte) => byte === 0)) {
    return {
      kind: 'unsupported',
      format: 'a run of zero bytes',
      fix: 'It was never written out (an interrupted copy, a full disk): copy the file again.',
    };
  }
  return { kind: 'unknown' };
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
