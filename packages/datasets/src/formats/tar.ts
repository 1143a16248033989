/**
 * The tar format's blocks: reading a member's header and writing one. Reads what POSIX ustar, pax and GNU tar write;
 * writes ustar, and pax where a name or a size does not fit. No I/O here.
 */
import { decodePath } from '../paths.js';

/** A header is one block; a member's bytes fill whole ones. */
export const BLOCK_BYTES = 512;

/** Of a pax or long-name header's own bytes. Real ones have some hundred. */
export const MAX_EXTENDED_HEADER_BYTES = 1024 * 1024;

/** What the header block itself says, before what extended headers before it add. */
export interface TarHeader {
  readonly name: string;
  /** Of the bytes after the header, which fill `blocksOf(size)` blocks. */
  readonly size: number;
  readonly kind: TarKind;
}

/**
 * - `file`: a regular file
 * - `pax`, `long-name`: its bytes tell of the next member
 * - `pax-global`: its bytes tell of all members to come
 * - `sparse`: a file with holes, whose bytes are not as they lie here
 * - `bodiless`: a folder, a link or a device, which has no bytes whatever its size says
 * - `other`: anything else; its bytes are skipped
 */
export type TarKind = 'file' | 'pax' | 'pax-global' | 'long-name' | 'sparse' | 'bodiless' | 'other';

/** Thrown for bytes that are not a tar's; callers say of which file. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

const KINDS: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'bodiless',
  '2': 'bodiless',
  '3': 'bodiless',
  '4': 'bodiless',
  '5': 'bodiless',
  '6': 'bodiless',
  L: 'long-name',
  x: 'pax',
  X: 'pax',
  g: 'pax-global',
  S: 'sparse',
};

const CHECKSUM_START = 148;
const CHECKSUM_END = 156;

/**
 * Reads a header block; null for one of zeros, which ends an archive.
 *
 * @param block at least BLOCK_BYTES
 * @throws TarError
 */
export function readTarHeader(block: Uint8Array): TarHeader | null {
  const { unsigned, signed } = checksums(block);
  if (unsigned === EMPTY_CHECKSUM && block.subarray(0, BLOCK_BYTES).every((byte) => byte === 0)) return null;
  const stated = number(block, CHECKSUM_START, 8, 'checksum');
  if (stated !== unsigned && stated !== signed) throw new TarError('a header has a wrong checksum');
  const type = String.fromCharCode(block[156] as number);
  const rawName = text(block, 0, 100);
  // GNU's own magic (`ustar ` with a blank) has times where ustar has the prefix.
  const isPosix = latin(block, 257, 6) === 'ustar\0';
  const prefix = isPosix ? text(block, 345, 155) : '';
  const name = prefix === '' ? rawName : `${prefix}/${rawName}`;
  const kind = KINDS[type] ?? 'other';
  // Before POSIX a folder was a file whose name ends in a slash.
  const isOldFolder = type === '\0' && name.endsWith('/');
  return { name, size: number(block, 124, 12, 'size'), kind: isOldFolder ? 'bodiless' : kind };
}

/** What a pax header says of the member after it, as far as it matters here. */
export interface PaxRecords {
  readonly path?: string;
  readonly size?: number;
  readonly isSparse: boolean;
}

/**
 * Reads a pax header's bytes: records of `<length> <key>=<value>\n`.
 *
 * @throws TarError
 */
export function readPaxRecords(bytes: Uint8Array): PaxRecords {
  let path: string | undefined;
  let size: number | undefined;
  let isSparse = false;
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(BLANK, at);
    const length = blank === -1 || blank - at > 7 ? Number.NaN : Number(latin(bytes, at, blank - at));
    const end = at + length;
    const equals = bytes.indexOf(EQUALS, blank);
    if (
      !Number.isInteger(length) ||
      end > bytes.length ||
      equals < 0 ||
      equals >= end ||
      bytes[end - 1] !== NEWLINE
    ) {
      throw new TarError('a pax header has a malformed record');
    }
    const key = latin(bytes, blank + 1, equals - blank - 1);
    const value = bytes.subarray(equals + 1, end - 1);
    if (key === 'path') path = decodePath(value);
    else if (key === 'size') size = paxSize(value);
    else if (key.startsWith('GNU.sparse.')) isSparse = true;
    at = end;
  }
  return { ...(path !== undefined && { path }), ...(size !== undefined && { size }), isSparse };
}

/** A long-name header's bytes: a name, and a NUL after it. */
export function readLongName(bytes: Uint8Array): string {
  return text(bytes, 0, bytes.length);
}

/** Blocks that so many bytes fill. */
export const blocksOf = (size: number): number => Math.ceil(size / BLOCK_BYTES);

/**
 * The header blocks of a file, for its bytes and `blocksOf(size)` to follow. Without owner and time, so that equal files make
 * equal archives.
 */
export function tarHeaderOf(name: string, size: number): Uint8Array {
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length <= 100 && size <= MAX_OCTAL_SIZE) return headerBlock(bytes, size, '0');
  const records = Buffer.concat([
    paxRecord('path', bytes),
    ...(size > MAX_OCTAL_SIZE ? [paxRecord('size', Buffer.from(String(size)))] : []),
  ]);
  return Buffer.concat([
    headerBlock(Buffer.from('PaxHeader'), records.length, 'x'),
    padded(records),
    headerBlock(bytes.subarray(0, 100), Math.min(size, MAX_OCTAL_SIZE), '0'),
  ]);
}

/** Zeros that fill a file's last block, and the two blocks of zeros that end an archive. */
export const paddingOf = (size: number): Uint8Array => new Uint8Array(blocksOf(size) * BLOCK_BYTES - size);
export const END_OF_ARCHIVE_BYTES = 2 * BLOCK_BYTES;

const MAX_OCTAL_SIZE = 0o77777777777;
const BLANK = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Of a block of zeros: the checksum's own place counts as blanks. */
const EMPTY_CHECKSUM = (CHECKSUM_END - CHECKSUM_START) * BLANK;

/** Some old writers added the bytes up as signed ones. */
function checksums(block: Uint8Array): { unsigned: number; signed: number } {
  let sum = EMPTY_CHECKSUM;
  let high = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    if (i >= CHECKSUM_START && i < CHECKSUM_END) continue;
    const byte = block[i] as number;
    sum += byte;
    high += byte >> 7;
  }
  return { unsigned: sum, signed: sum - 256 * high };
}

/** Octal digits between blanks and NULs, or, with the first bit set, a big-endian integer. */
function number(block: Uint8Array, at: number, length: number, what: string): number {
  const first = block[at] as number;
  let value = 0;
  if (first === 0x80) {
    for (let i = at + 1; i < at + length; i++) value = value * 256 + (block[i] as number);
  } else {
    const digits = latin(block, at, length)
      .replace(/\0[\s\S]*$/, '')
      .trim();
    if (!/^[0-7]*$/.test(digits)) throw new TarError(`a header's ${what} is not a number`);
    value = digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  if (!Number.isSafeInteger(value)) throw new TarError(`a header's ${what} is beyond 2^53`);
  return value;
}

function paxSize(value: Uint8Array): number {
  const digits = latin(value, 0, value.length);
  const size = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new TarError("a pax header's size is not a number below 2^53");
  return size;
}

/** Up to the first NUL. */
function text(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return decodePath(end === -1 ? field : field.subarray(0, end));
}

const latin = (bytes: Uint8Array, at: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1');

function headerBlock(name: Uint8Array, size: number, type: string): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.set(name);
  block.write('0000444\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${checksums(block).unsigned.toString(8).padStart(6, '0')}\0 `, CHECKSUM_START, 'latin1');
  return block;
}

/** The length counts its own digits. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length += 1;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}

const padded = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, paddingOf(bytes.length)]);
