import { malformed } from '../../malformed.js';
import { type ByteSource, checkPart, readPart, viewOf } from './bytes.js';
import { FlatTable } from './flat-table.js';
import type { Layout } from './layout.js';
import { decompress } from './zstd.js';

/** A cell's bytes, in the way that a chunk of items has them; or where they lie in the Arrow file. */
export type Cell =
  | { readonly kind: 'null' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'range'; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'packed';
      readonly buffer: PackedBuffer;
      readonly offset: number;
      readonly length: number;
    };

/** A compressed buffer of a column. */
export interface PackedBuffer {
  readonly offset: number;
  readonly length: number;
  readonly contentBytes: number;
}

/** The rows of a chunk whose samples lie in an Arrow table: newer LitData writes samples of plain values so. */
export interface ArrowRows {
  readonly source: ByteSource;
  /** Memory that this takes. */
  readonly bytes: number;
  /** The cell of a leaf; of the image's it says where the bytes are, of others it has them. */
  cell(row: number, leaf: number): Cell;
}

/** Of a record batch's description; that of 64 columns takes some kilobytes. */
const MAX_METADATA_BYTES = 16 * 1024 * 1024;
/** Of all columns that are read whole. */
const MAX_INDEX_BYTES = 256 * 1024 * 1024;
/** Of a column of strings or numbers in one record batch: they are read whole. */
const MAX_COLUMN_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 32;

const MAGIC = Buffer.from('ARROW1', 'latin1');
const PADDED_MAGIC_BYTES = 8;

/** Arrow's numbers of its types, of which the buffers and children are known. */
const NULL = 1;
const INT = 2;
const FLOAT = 3;
const BINARY = 4;
const UTF8 = 5;
const BOOL = 6;
const LARGE_BINARY = 19;
const LARGE_UTF8 = 20;
const FIXED_WIDTH = new Set([INT, FLOAT, BOOL, 7, 8, 9, 10, 11, 15, 18]);
const VARIABLE_WIDTH = new Set([BINARY, UTF8, LARGE_BINARY, LARGE_UTF8]);
/** Lists and maps have offsets beside the validity; structs and lists of fixed size do not. */
const OFFSET_PARENTS = new Set([12, 17, 21]);
const PLAIN_PARENTS = new Set([13, 16]);

/** Arrow's types of a column, by how the index file says that its values are stored. */
const TYPES: Readonly<Record<string, readonly number[]>> = {
  encoded: [BINARY, LARGE_BINARY],
  str: [UTF8, LARGE_UTF8],
  int: [INT],
  bool: [BOOL],
  float: [FLOAT],
};

interface Wanted {
  readonly leaf: number;
  readonly format: string;
  readonly isImage: boolean;
}

interface Column {
  readonly type: number;
  /** Offsets of 8 bytes. */
  readonly large: boolean;
  /** Its first buffer among the record batch's. */
  readonly buffer: number;
}

interface Buffers {
  readonly validity: Uint8Array | null;
  readonly offsets: DataView | null;
  /** Of the image: where they lie. */
  readonly values: Uint8Array | { readonly offset: number; readonly length: number } | PackedBuffer;
}

interface Batch {
  readonly first: number;
  readonly rows: number;
  /** By leaf. */
  readonly columns: ReadonlyMap<number, Buffers & Column>;
}

/**
 * Reads what says where an Arrow file's cells are, and the columns that are small.
 *
 * @throws DATASET_MALFORMED
 */
export async function openArrow(source: ByteSource, samples: number, layout: Layout): Promise<ArrowRows> {
  try {
    return await open(source, samples, layout);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw malformed(source.name, `its Arrow table is damaged: ${error.message}`, error);
  }
}

async function open(source: ByteSource, samples: number, layout: Layout): Promise<ArrowRows> {
  const footer = await readFooter(source);
  const schema = footer.table(1);
  if (schema === null || schema.int16(0) !== 0)
    throw malformed(source.name, 'its Arrow table has no little-endian schema');
  const { image, label, fields } = layout;
  const wanted = new Map<string, Wanted>();
  for (const place of label ? [label, ...fields] : fields)
    wanted.set(place.name, { ...place, isImage: false });
  wanted.set(image.name, { ...image, isImage: true });
  const columns = findColumns(source.name, schema.tables(1), wanted);
  const blocks = footer.vector(3, 24);
  const batches: Batch[] = [];
  let first = 0;
  let bytes = 0;
  for (let i = 0; i < blocks.length; i++) {
    const at = blocks.at + 24 * i;
    const { batch, body } = await readBatchHeader(source, {
      offset: Number(footer.view.getBigInt64(at, true)),
      metadataBytes: footer.view.getInt32(at + 8, true),
    });
    const rows = batch.int64(0);
    if (rows < 0 || first + rows > samples) {
      throw malformed(source.name, `its Arrow table has more than ${samples} rows`);
    }
    const found = new Map<number, Buffers & Column>();
    for (const [name, { leaf, isImage }] of wanted) {
      const column = columns.get(name);
      if (column === undefined) continue;
      const buffers = await readBuffers(source, batch, body, column, rows, isImage);
      bytes += memoryOf(buffers);
      if (bytes > MAX_INDEX_BYTES) {
        throw malformed(
          source.name,
          `the small columns of its Arrow table have more than ${MAX_INDEX_BYTES} bytes`,
        );
      }
      found.set(leaf, { ...buffers, ...column });
    }
    batches.push({ first, rows, columns: found });
    first += rows;
  }
  if (first !== samples)
    throw malformed(source.name, `its Arrow table has ${first} rows, and index.json says ${samples}`);
  return { source, bytes, cell: (row, leaf) => cellOf(source.name, batches, row, leaf) };
}

async function readFooter(source: ByteSource): Promise<FlatTable> {
  const end = Buffer.from(await readPart(source, source.size - MAGIC.length - 4, MAGIC.length + 4));
  const start = Buffer.from(await readPart(source, 0, MAGIC.length));
  if (!start.equals(MAGIC) || !end.subarray(4).equals(MAGIC)) {
    throw malformed(source.name, 'its Arrow table is no Arrow file (streams are not read)');
  }
  const length = end.readUInt32LE(0);
  if (length > MAX_METADATA_BYTES)
    throw malformed(source.name, `the footer of its Arrow table has ${length} bytes`);
  const at = source.size - MAGIC.length - 4 - length;
  if (at < PADDED_MAGIC_BYTES) throw malformed(source.name, 'its Arrow table is cut short');
  return FlatTable.root(viewOf(await readPart(source, at, length)));
}

/** Counts buffers over all columns, in the order that Arrow writes them: depth first. */
function findColumns(
  name: string,
  fields: readonly FlatTable[],
  wanted: ReadonlyMap<string, Wanted>,
): Map<string, Column> {
  const columns = new Map<string, Column>();
  let buffer = 0;
  const pass = (field: FlatTable, depth: number): void => {
    const type = field.uint8(2);
    if (depth > MAX_DEPTH) throw malformed(name, 'its Arrow table is nested too deep');
    if (field.table(4) !== null) throw malformed(name, 'its Arrow table has a dictionary');
    if (type === NULL) return;
    if (FIXED_WIDTH.has(type)) buffer += 2;
    else if (VARIABLE_WIDTH.has(type)) buffer += 3;
    else if (OFFSET_PARENTS.has(type)) buffer += 2;
    else if (PLAIN_PARENTS.has(type)) buffer += 1;
    else throw malformed(name, `its Arrow table has a column of type ${type}`);
    for (const child of field.tables(5)) pass(child, depth + 1);
  };
  for (const field of fields) {
    const title = field.text(0);
    const type = field.uint8(2);
    const format = wanted.get(title)?.format;
    if (format !== undefined && type !== NULL) {
      checkType(name, title, field, format);
      columns.set(title, { type, large: type === LARGE_BINARY || type === LARGE_UTF8, buffer });
    }
    pass(field, 0);
  }
  return columns;
}

function checkType(name: string, title: string, field: FlatTable, format: string): void {
  const type = field.uint8(2);
  const details = field.table(3);
  const isWide =
    (type !== INT || (details?.int32(0) === 64 && details.uint8(1) === 1)) &&
    (type !== FLOAT || details?.int16(0) === 2);
  if (TYPES[format]?.includes(type) && isWide) return;
  throw malformed(name, `the column ${JSON.stringify(title)} of its Arrow table is not what index.json says`);
}

async function readBatchHeader(
  source: ByteSource,
  { offset, metadataBytes }: { offset: number; metadataBytes: number },
): Promise<{ batch: FlatTable; body: number }> {
  if (metadataBytes < 8 || metadataBytes > MAX_METADATA_BYTES) {
    throw malformed(source.name, `a record batch of its Arrow table is described in ${metadataBytes} bytes`);
  }
  const metadata = viewOf(await readPart(source, offset, metadataBytes));
  const message = FlatTable.root(new DataView(metadata.buffer, metadata.byteOffset + 8, metadataBytes - 8));
  const batch = message.table(2);
  if (message.uint8(1) !== 3 || batch === null)
    throw malformed(source.name, 'its Arrow table has no record batch where one should be');
  const codec = batch.table(3);
  if (codec !== null && codec.uint8(0) !== 1)
    throw malformed(source.name, 'its Arrow table is compressed with LZ4: zstd is read');
  return { batch, body: offset + metadataBytes };
}

async function readBuffers(
  source: ByteSource,
  batch: FlatTable,
  body: number,
  { type, large, buffer }: Column,
  rows: number,
  isImage: boolean,
): Promise<Buffers> {
  const places = batch.vector(2, 16);
  const isPacked = batch.table(3) !== null;
  const place = (i: number) => {
    if (buffer + i >= places.length)
      throw malformed(source.name, 'its Arrow table has fewer buffers than columns need');
    const at = places.at + 16 * (buffer + i);
    const offset = body + Number(batch.view.getBigInt64(at, true));
    const length = Number(batch.view.getBigInt64(at + 8, true));
    checkPart(source, offset, length);
    return { offset, length };
  };
  const whole = async (i: number, leastBytes: number) => {
    const { offset, length } = place(i);
    if (length > MAX_COLUMN_BYTES)
      throw malformed(
        source.name,
        `a column of its Arrow table has ${length} bytes: ${MAX_COLUMN_BYTES} are read`,
      );
    let bytes: Uint8Array = await readPart(source, offset, length);
    if (isPacked && length > 0) bytes = await unpacked(source.name, bytes);
    if (bytes.length < leastBytes)
      throw malformed(source.name, `a column of its Arrow table is too short for ${rows} rows`);
    return bytes;
  };
  const validity = place(0).length === 0 ? null : await whole(0, Math.ceil(rows / 8));
  if (!VARIABLE_WIDTH.has(type)) {
    return {
      validity,
      offsets: null,
      values: await whole(1, type === BOOL ? Math.ceil(rows / 8) : 8 * rows),
    };
  }
  const offsets = rows === 0 ? null : viewOf(await whole(1, (large ? 8 : 4) * (rows + 1)));
  if (!isImage) return { validity, offsets, values: await whole(2, 0) };
  const values = place(2);
  if (!isPacked || values.length === 0) return { validity, offsets, values };
  if (values.length < 8) throw malformed(source.name, 'a column of its Arrow table is cut short');
  const contentBytes = Number(viewOf(await readPart(source, values.offset, 8)).getBigInt64(0, true));
  const inner = { offset: values.offset + 8, length: values.length - 8 };
  return { validity, offsets, values: contentBytes === -1 ? inner : { ...inner, contentBytes } };
}

/** A buffer of a compressed record batch: its length, -1 where it is as it is, and its bytes. */
async function unpacked(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  const length = Number(viewOf(bytes).getBigInt64(0, true));
  const rest = bytes.subarray(8);
  return length === -1 ? rest : decompress(rest, name, Math.min(length, MAX_COLUMN_BYTES));
}

function memoryOf({ validity, offsets, values }: Buffers): number {
  return (
    (validity?.byteLength ?? 0) +
    (offsets?.byteLength ?? 0) +
    (values instanceof Uint8Array ? values.byteLength : 64)
  );
}

function cellOf(name: string, batches: readonly Batch[], row: number, leaf: number): Cell {
  const batch = batches.findLast(({ first }) => first <= row) as Batch;
  const column = batch.columns.get(leaf);
  const at = row - batch.first;
  if (column === undefined || (column.validity && !bit(column.validity, at))) return { kind: 'null' };
  const { type, large, offsets, values } = column;
  if (offsets === null) {
    const bytes = values as Uint8Array;
    if (type === BOOL) return { kind: 'bytes', bytes: Uint8Array.of(bit(bytes, at) ? 1 : 0) };
    return { kind: 'bytes', bytes: bytes.subarray(8 * at, 8 * at + 8) };
  }
  const offset = (i: number) =>
    large ? Number(offsets.getBigInt64(8 * i, true)) : offsets.getInt32(4 * i, true);
  const start = offset(at);
  const length = offset(at + 1) - start;
  const isPacked = 'contentBytes' in values;
  const size = values instanceof Uint8Array ? values.length : isPacked ? values.contentBytes : values.length;
  if (start < 0 || length < 0 || start + length > size) {
    throw malformed(name, `its row ${row} names bytes ${start} to ${start + length} of ${size}`);
  }
  if (values instanceof Uint8Array) return { kind: 'bytes', bytes: values.subarray(start, start + length) };
  if (isPacked) return { kind: 'packed', buffer: values, offset: start, length };
  return { kind: 'range', offset: values.offset + start, length };
}

function bit(bitmap: Uint8Array, at: number): boolean {
  return (((bitmap[at >> 3] as number) >> (at & 7)) & 1) === 1;
}
