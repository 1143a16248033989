/**
 * Decodes the pages of one column without lists: the encodings that Arrow, DuckDB and Polars write by default. Every count is checked
 * against what the footer and the bytes allow before anything is made of it (docs/decisions/0224-parquet-pages.md).
 */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';
import { snappyUncompress } from 'hyparquet';
import { decompress as decompressZstd } from '../litdata/zstd.js';
import { ParquetError, readThrift, type ThriftStruct, type ThriftValue } from './thrift.js';

/** A column's physical type, of those whose values are scalars. */
export type PhysicalType = 'BOOLEAN' | 'INT32' | 'INT64' | 'FLOAT' | 'DOUBLE' | 'BYTE_ARRAY';

/** What is needed to decode a column's pages. */
export interface PageColumn {
  readonly type: PhysicalType;
  readonly codec: string;
  /** How many of the column and the structures that it is in may be null. */
  readonly maxDefinition: number;
}

/** A value as it lies in a page: byte arrays are views of the page. */
export type PageValue = number | bigint | boolean | Uint8Array | null;

/** Of the pages that are decoded at once, uncompressed. */
export const MAX_UNIT_BYTES = 128 * 1024 * 1024;

const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const DATA_PAGE_V2 = 3;
const PLAIN = 0;
const PLAIN_DICTIONARY = 2;
const RLE = 3;
const RLE_DICTIONARY = 8;

/**
 * @param bytes a dictionary page, if there is one, and data pages, one after the other
 * @param rows how many rows the pages have together
 * @throws ParquetError
 */
export async function decodePages(bytes: Uint8Array, column: PageColumn, rows: number): Promise<PageValue[]> {
  const values: PageValue[] = [];
  let dictionary: readonly PageValue[] | null = null;
  let left = MAX_UNIT_BYTES;
  for (let at = 0; at < bytes.length && values.length < rows; ) {
    const { value: header, end } = readThrift(bytes, at);
    const size = count(header.get(3), 'a page');
    const length = count(header.get(2), 'a page');
    if (size > bytes.length - end) throw new ParquetError('a page is longer than its column');
    left -= length;
    if (left < 0) throw new ParquetError(`more than ${MAX_UNIT_BYTES} bytes would have to be read at once`);
    const page = { bytes: bytes.subarray(end, end + size), length };
    at = end + size;
    const type = header.get(1);
    if (type === DICTIONARY_PAGE) {
      const content = await decompress(page.bytes, length, column.codec);
      dictionary = plainValues(content, column.type, countOf(header.get(7), 1, 'a dictionary'));
    } else if (type === DATA_PAGE || type === DATA_PAGE_V2) {
      const open = type === DATA_PAGE ? dataPage : dataPageV2;
      appendValues(values, await open(page, header, column, rows - values.length), column, dictionary);
    }
  }
  if (values.length !== rows) throw new ParquetError(`a column has ${values.length} of ${rows} rows`);
  return values;
}

/** A page as it lies in the file, after its header. */
interface RawPage {
  readonly bytes: Uint8Array;
  /** Of its content, uncompressed. */
  readonly length: number;
}

/** How long a page is, its header included, and how many rows it has: none where it is a dictionary. */
export function pageFacts(bytes: Uint8Array): { readonly length: number; readonly rows: number } {
  const { value: header, end } = readThrift(bytes, 0);
  const type = header.get(1);
  const isData = type === DATA_PAGE || type === DATA_PAGE_V2;
  return {
    length: end + count(header.get(3), 'a page'),
    rows: isData ? countOf(header.get(type === DATA_PAGE ? 5 : 8), 1, 'a page') : 0,
  };
}

/** Whether the first of some data pages is written by numbers of a dictionary's entries. */
export function needsDictionary(bytes: Uint8Array): boolean {
  const { value: header } = readThrift(bytes, 0);
  const isV2 = header.get(1) === DATA_PAGE_V2;
  const encoding = countOf(header.get(isV2 ? 8 : 5), isV2 ? 4 : 2, 'an encoding');
  return encoding === PLAIN_DICTIONARY || encoding === RLE_DICTIONARY;
}

/** A data page's parts. */
interface DataPage {
  /** One level a row; null where none can be null. */
  readonly definitions: Uint32Array | null;
  readonly rows: number;
  readonly encoding: number;
  readonly content: Uint8Array;
}

async function dataPage(
  page: RawPage,
  header: ThriftStruct,
  column: PageColumn,
  rowsLeft: number,
): Promise<DataPage> {
  const fields = structOf(header.get(5));
  const rows = countOf(fields, 1, 'a page', rowsLeft);
  let content = await decompress(page.bytes, page.length, column.codec);
  let definitions: Uint32Array | null = null;
  if (column.maxDefinition > 0) {
    const length = content.length >= 4 ? viewOf(content).getUint32(0, true) : Number.POSITIVE_INFINITY;
    if (length > content.length - 4) throw new ParquetError('a page ends within its levels');
    definitions = hybrid(content.subarray(4, 4 + length), bitsOf(column.maxDefinition), rows);
    content = content.subarray(4 + length);
  }
  return { definitions, rows, encoding: countOf(fields, 2, 'an encoding'), content };
}

async function dataPageV2(
  page: RawPage,
  header: ThriftStruct,
  column: PageColumn,
  rowsLeft: number,
): Promise<DataPage> {
  const fields = structOf(header.get(8));
  const rows = countOf(fields, 1, 'a page', rowsLeft);
  const levels = countOf(fields, 5, 'levels', Math.min(page.bytes.length, page.length));
  if (countOf(fields, 6, 'levels') !== 0)
    throw new ParquetError('a column without lists has repetition levels');
  const definitions =
    column.maxDefinition > 0
      ? hybrid(page.bytes.subarray(0, levels), bitsOf(column.maxDefinition), rows)
      : null;
  const content = page.bytes.subarray(levels);
  return {
    definitions,
    rows,
    encoding: countOf(fields, 4, 'an encoding'),
    content:
      fields.get(7) === false ? content : await decompress(content, page.length - levels, column.codec),
  };
}

function appendValues(
  values: PageValue[],
  { definitions, rows, encoding, content }: DataPage,
  { type, maxDefinition }: PageColumn,
  dictionary: readonly PageValue[] | null,
): void {
  const present =
    definitions === null
      ? rows
      : definitions.reduce((sum, level) => sum + Number(level === maxDefinition), 0);
  const decoded = decodeValues(content, encoding, type, present, dictionary);
  let next = 0;
  for (let i = 0; i < rows; i++) {
    const isPresent = definitions === null || definitions[i] === maxDefinition;
    values.push(isPresent ? (decoded[next++] as PageValue) : null);
  }
}

function decodeValues(
  content: Uint8Array,
  encoding: number,
  type: PhysicalType,
  present: number,
  dictionary: readonly PageValue[] | null,
): readonly PageValue[] {
  if (present === 0) return [];
  if (encoding === PLAIN) return plainValues(content, type, present);
  if (encoding === RLE && type === 'BOOLEAN') {
    return Array.from(hybrid(content.subarray(4), 1, present), (value) => value === 1);
  }
  if (encoding !== PLAIN_DICTIONARY && encoding !== RLE_DICTIONARY) {
    throw new ParquetError(
      `a column has the encoding ${encoding}, which is not read: write it with plain or dictionary encoding, as pyarrow and datasets do by default`,
    );
  }
  if (dictionary === null) throw new ParquetError('a page has no dictionary');
  const width = content[0] ?? 0;
  if (width > 32) throw new ParquetError('a dictionary index has more than 32 bits');
  return Array.from(hybrid(content.subarray(1), width, present), (index) => {
    const value = dictionary[index];
    if (value === undefined) throw new ParquetError(`a dictionary has no entry ${index}`);
    return value;
  });
}

const FIXED_BYTES = { INT32: 4, INT64: 8, FLOAT: 4, DOUBLE: 8 } as const;

function plainValues(content: Uint8Array, type: PhysicalType, wanted: number): PageValue[] {
  const tooShort = () => new ParquetError(`a page of ${content.length} bytes cannot have ${wanted} values`);
  const view = viewOf(content);
  const values: PageValue[] = [];
  if (type === 'BOOLEAN') {
    if (wanted > 8 * content.length) throw tooShort();
    for (let i = 0; i < wanted; i++) values.push((((content[i >> 3] as number) >> (i & 7)) & 1) === 1);
    return values;
  }
  if (type !== 'BYTE_ARRAY') {
    if (wanted * FIXED_BYTES[type] > content.length) throw tooShort();
    for (let i = 0; i < wanted; i++) values.push(fixedValue(view, type, i * FIXED_BYTES[type]));
    return values;
  }
  let at = 0;
  for (let i = 0; i < wanted; i++) {
    const length = at + 4 <= content.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > content.length) throw tooShort();
    values.push(content.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return values;
}

function fixedValue(view: DataView, type: keyof typeof FIXED_BYTES, at: number): PageValue {
  switch (type) {
    case 'INT32':
      return view.getInt32(at, true);
    case 'INT64':
      return view.getBigInt64(at, true);
    case 'FLOAT':
      return view.getFloat32(at, true);
    case 'DOUBLE':
      return view.getFloat64(at, true);
  }
}

/** Runs of one value, and of bit-packed values in groups of eight. */
function hybrid(bytes: Uint8Array, width: number, wanted: number): Uint32Array {
  const values = new Uint32Array(wanted);
  let filled = 0;
  let at = 0;
  const byteAt = (i: number): number => {
    if (i >= bytes.length) throw new ParquetError('a page ends within a run');
    return bytes[i] as number;
  };
  while (filled < wanted) {
    let header = 0;
    for (let shift = 1, byte = 128; byte >= 128; shift *= 128) {
      byte = byteAt(at++);
      header += (byte & 127) * shift;
      if (shift > 2 ** 35) throw new ParquetError('a run is longer than any page');
    }
    const isPacked = header % 2 === 1;
    const length = isPacked ? 8 * Math.floor(header / 2) : header / 2;
    if (length === 0) throw new ParquetError('a run is empty');
    const end = Math.min(wanted, filled + length);
    if (isPacked) {
      const start = filled;
      for (; filled < end; filled++)
        values[filled] = packed(byteAt, 8 * at + (filled - start) * width, width);
      at += (length * width) / 8;
    } else {
      const value = packed(byteAt, 8 * at, Math.ceil(width / 8) * 8);
      values.fill(value, filled, end);
      filled = end;
      at += Math.ceil(width / 8);
    }
  }
  return values;
}

/** `width` bits from a place in bits on, least significant first. */
function packed(byteAt: (i: number) => number, from: number, width: number): number {
  let value = 0;
  for (let taken = 0; taken < width; ) {
    const place = from + taken;
    const bits = Math.min(8 - (place & 7), width - taken);
    const byte = byteAt(Math.floor(place / 8));
    value += ((byte >> (place & 7)) & ((1 << bits) - 1)) * 2 ** taken;
    taken += bits;
  }
  return value;
}

async function decompress(page: Uint8Array, length: number, codec: string): Promise<Uint8Array> {
  if (codec === 'UNCOMPRESSED') return page;
  if (length === 0) return new Uint8Array(0);
  const decompressor = DECOMPRESSORS[codec];
  if (decompressor === undefined) {
    throw new ParquetError(`its pages are compressed with ${codec}: use snappy, zstd, gzip, brotli or none`);
  }
  let content: Uint8Array;
  try {
    content = await decompressor(page, length);
  } catch (error) {
    throw new ParquetError('a page does not decompress', { cause: error });
  }
  if (content.length !== length) throw new ParquetError('a page has another size than its header says');
  return content;
}

const asyncGunzip = promisify(gunzip);
const asyncBrotli = promisify(brotliDecompress);

/** Each makes no more than `length` bytes, whatever the page holds. */
const DECOMPRESSORS: Readonly<
  Record<string, (page: Uint8Array, length: number) => Promise<Uint8Array> | Uint8Array>
> = {
  SNAPPY(page, length) {
    const content = new Uint8Array(length);
    snappyUncompress(page, content);
    return content;
  },
  GZIP: (page, maxOutputLength) => asyncGunzip(page, { maxOutputLength }),
  BROTLI: (page, maxOutputLength) => asyncBrotli(page, { maxOutputLength }),
  ZSTD: (page, length) => decompressZstd(page, 'a page', length),
};

const bitsOf = (most: number): number => 32 - Math.clz32(most);
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function structOf(value: ThriftValue | undefined): ThriftStruct {
  if (value instanceof Map) return value;
  throw new ParquetError('a page header lacks what its type needs');
}

const countOf = (value: ThriftValue | undefined, field: number, what: string, most = 2 ** 31 - 1): number =>
  count(structOf(value).get(field), what, most);

function count(value: ThriftValue | undefined, what: string, most = 2 ** 31 - 1): number {
  if (typeof value === 'number' && value >= 0 && value <= most) return value;
  throw new ParquetError(
    `the size of ${what} is ${typeof value === 'number' ? value : 'missing'}, of ${most} at most`,
  );
}
