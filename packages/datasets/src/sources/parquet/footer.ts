import { createHash } from 'node:crypto';
import { type ColumnMetaData, type FileMetaData, parquetMetadata, type SchemaElement } from 'hyparquet';
import type { ReadOptions, Storage } from '../../storage/storage.js';
import type { PageColumn, PhysicalType } from './pages.js';
import { checkThrift, ParquetError } from './thrift.js';

/** A footer of 10,000 row groups with ten columns has about this. */
const MAX_FOOTER_BYTES = 16 * 1024 * 1024;
/** Bytes that are read first; they hold most footers. */
const FIRST_READ_BYTES = 64 * 1024;
/** The footer's length and the mark. */
const TAIL_BYTES = 8;
const MARK = 'PAR1';
/** Rows of a row group: pyarrow's own default is a million. */
const MAX_GROUP_ROWS = 4 * 1024 * 1024;
/** Columns, lists and structures of a schema together. */
const MAX_SCHEMA_ELEMENTS = 10_000;

/** A column that holds scalars, none of them in a list. */
export interface Leaf extends Pick<PageColumn, 'type' | 'maxDefinition'> {
  /** The names of the structures that it is in, and its own: `['image', 'bytes']`. */
  readonly path: readonly string[];
  /** Its place among the leaves, and so among a row group's chunks. */
  readonly number: number;
  /** Its place among all columns that the file has. */
  readonly place: number;
  /** What its values mean: text, bytes, a number; null for what is none of them (dates, decimals, ...). */
  readonly meaning: 'text' | 'bytes' | 'int64' | 'float64' | null;
}

/** Where the values of one column in one row group are. */
export interface ColumnChunk {
  readonly offset: number;
  readonly length: number;
  readonly codec: string;
  /** Rows whose value is null, as the writer counted them; null where it did not. */
  readonly nulls: number | null;
  readonly offsetIndex: { readonly offset: number; readonly length: number } | null;
}

export interface RowGroup {
  /** The number of its first row. */
  readonly start: number;
  readonly rows: number;
  /** One a leaf, in the leaves' order. */
  readonly chunks: readonly ColumnChunk[];
}

/** What a Parquet file says of itself. */
export interface Footer {
  readonly rows: number;
  readonly groups: readonly RowGroup[];
  readonly leaves: readonly Leaf[];
  /** Names of the columns at the top that hold no leaf that can be read, lists among them. */
  readonly nested: readonly string[];
  /** What writers leave there by name: `huggingface`, `ARROW:schema`, ... */
  readonly metadata: ReadonlyMap<string, string>;
  /** SHA-256 of the footer's bytes, in lower-case hexadecimal. */
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Reads a file's footer, in one read or two.
 *
 * @param size of the file in bytes
 * @throws ParquetError; StorageError
 */
export async function readFooter(
  storage: Storage,
  path: string,
  size: number,
  access: Pick<ReadOptions, 'version' | 'inside' | 'signal'>,
): Promise<Footer> {
  if (size < 3 * MARK.length) throw new ParquetError(`${size} bytes are too few for a Parquet file`);
  const read = async (length: number) => {
    const bytes = await storage.read(path, { offset: size - length, length, ...access });
    if (bytes.length < length) throw new ParquetError(`it is shorter than ${size} bytes`);
    return Buffer.from(bytes.buffer, 0, bytes.length);
  };
  let tail = await read(Math.min(size, FIRST_READ_BYTES));
  const mark = tail.toString('latin1', tail.length - MARK.length);
  if (mark === 'PARE') throw new ParquetError('it is encrypted');
  if (mark !== MARK)
    throw new ParquetError('it does not end as a Parquet file does: it was cut short, or is something else');
  const length = tail.readUInt32LE(tail.length - TAIL_BYTES);
  if (length > size - TAIL_BYTES - MARK.length) throw new ParquetError('its footer is longer than the file');
  if (length > MAX_FOOTER_BYTES) {
    throw new ParquetError(`its footer of ${length} bytes is over the limit of ${MAX_FOOTER_BYTES}`);
  }
  if (length + TAIL_BYTES > tail.length) tail = await read(length + TAIL_BYTES);
  return parseFooter(tail.subarray(tail.length - TAIL_BYTES - length), size - TAIL_BYTES - length);
}

/**
 * @param tail the footer, its length and the mark
 * @param end where the columns end at the latest
 */
function parseFooter(tail: Buffer, end: number): Footer {
  const footer = tail.subarray(0, tail.length - TAIL_BYTES);
  // What hyparquet then reads is known to be whole and of bounded size.
  if (checkThrift(footer, 0) > footer.length) throw new ParquetError('its footer is cut');
  let parsed: FileMetaData;
  try {
    parsed = parquetMetadata(tail, { geoparquet: false });
  } catch (error) {
    throw new ParquetError(`its footer cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const { leaves, nested } = readSchema(parsed.schema);
  const groups: RowGroup[] = [];
  let rows = 0;
  for (const group of parsed.row_groups) {
    const count = integer(group.num_rows, 'the rows of a row group', MAX_GROUP_ROWS);
    const chunks = leaves.map(({ place }) => chunkOf(group.columns[place], end));
    if (count > 0) groups.push({ start: rows, rows: count, chunks });
    rows += count;
  }
  if (rows !== Number(parsed.num_rows))
    throw new ParquetError('its row groups have not the rows that it says');
  const metadata = new Map(parsed.key_value_metadata?.map(({ key, value }) => [key, value ?? '']));
  const digest = createHash('sha256').update(footer).digest('hex');
  return { rows, groups, leaves, nested, metadata, digest, bytes: footer.length };
}

function chunkOf(
  column: FileMetaData['row_groups'][number]['columns'][number] | undefined,
  end: number,
): ColumnChunk {
  const data: ColumnMetaData | undefined = column?.meta_data;
  if (column === undefined || data === undefined) throw new ParquetError('a row group lacks a column');
  if (column.file_path) throw new ParquetError('its columns lie in other files');
  const dictionary = Number(data.dictionary_page_offset ?? 0);
  const first = integer(data.data_page_offset, 'a place in the file', end);
  const offset = dictionary > 0 && dictionary < first ? dictionary : first;
  const length = integer(data.total_compressed_size, 'the size of a column', end - offset);
  const indexed = column.offset_index_offset !== undefined && column.offset_index_length !== undefined;
  const offsetIndex = indexed
    ? {
        offset: integer(column.offset_index_offset, 'a place in the file', end),
        length: integer(column.offset_index_length, 'the size of an index', end),
      }
    : null;
  const nulls = data.statistics?.null_count;
  return {
    offset,
    length,
    codec: String(data.codec),
    nulls: nulls === undefined ? null : Number(nulls),
    offsetIndex,
  };
}

/** A number that the file says, which may be anything. */
function integer(value: unknown, what: string, most: number): number {
  const number = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= 0 && number <= most) return number;
  throw new ParquetError(`${what} is ${value === undefined ? 'missing' : value}, of ${most} at most`);
}

/** The schema is a tree, written down from the top; only leaves have columns. */
function readSchema(elements: readonly SchemaElement[]): { leaves: Leaf[]; nested: string[] } {
  if (elements.length > MAX_SCHEMA_ELEMENTS) {
    throw new ParquetError(`its schema has ${elements.length} elements, of ${MAX_SCHEMA_ELEMENTS} at most`);
  }
  const leaves: Leaf[] = [];
  const tops = new Set<string>();
  let next = 1;
  let place = 0;
  const read = (above: readonly string[], maxDefinition: number, isInList: boolean): void => {
    const element = elements[next++];
    // hyparquet's types promise a name; what is in the file may lack it.
    if (typeof element?.name !== 'string') throw new ParquetError('its schema is cut');
    const path = [...above, element.name];
    if (path.length > MAX_DEPTH) throw new ParquetError(`its columns are nested more than ${MAX_DEPTH} deep`);
    const definition = maxDefinition + (element.repetition_type === 'REQUIRED' ? 0 : 1);
    const inList = isInList || element.repetition_type === 'REPEATED';
    if (path.length === 1) tops.add(element.name);
    if (element.type === undefined) {
      for (let child = 0; child < (element.num_children ?? 0); child++) read(path, definition, inList);
      return;
    }
    const type = PHYSICAL.find((name) => name === element.type);
    if (!inList && type !== undefined) {
      leaves.push({
        path,
        number: leaves.length,
        place,
        type,
        maxDefinition: definition,
        meaning: meaningOf(element, type),
      });
    }
    place += 1;
  };
  for (let child = 0; child < (elements[0]?.num_children ?? 0); child++) read([], 0, false);
  for (const { path } of leaves) tops.delete(path[0] as string);
  return { leaves, nested: [...tops] };
}

const MAX_DEPTH = 32;
const PHYSICAL: readonly PhysicalType[] = ['BOOLEAN', 'INT32', 'INT64', 'FLOAT', 'DOUBLE', 'BYTE_ARRAY'];

function meaningOf({ converted_type, logical_type }: SchemaElement, type: PhysicalType): Leaf['meaning'] {
  const logical = logical_type?.type ?? converted_type;
  const isText = ['STRING', 'UTF8', 'ENUM', 'JSON'].includes(logical ?? '');
  if (type === 'BYTE_ARRAY') return isText ? 'text' : logical === undefined ? 'bytes' : null;
  const isPlain = logical === undefined || logical === 'INTEGER' || /^U?INT_/.test(logical);
  if (!isPlain) return null;
  return type === 'FLOAT' || type === 'DOUBLE' ? 'float64' : 'int64';
}
