import { lossyUtf8 } from '../../paths.js';
import type { Scalar } from '../fields.js';
import type { ColumnChunk, Leaf, RowGroup } from './footer.js';
import { type PageSpan, readOffsetIndex } from './offset-index.js';
import { decodePages, MAX_UNIT_BYTES, needsDictionary, type PageValue, pageFacts } from './pages.js';
import { ParquetError } from './thrift.js';

/** Reads bytes of the file, all that are asked for. */
export type ReadRange = (offset: number, length: number) => Promise<Uint8Array>;

/** Columns that lie nearer than this are read in one go. */
const GAP_BYTES = 256 * 1024;

/** A column of no more bytes is read as one, where the file does not tell where its pages are. */
const WHOLE_BYTES = 16 * 1024 * 1024;
/** What is read to find a page's header, which has some tens of bytes, or up to this with statistics. */
const HEADER_BYTES = [1024, 1024 * 1024] as const;

/** Where a column's data pages are: by the file's own index, by their headers, or, of a small column, all as one. */
export async function readSpans(read: ReadRange, chunk: ColumnChunk, rows: number): Promise<PageSpan[]> {
  const { offset, length, offsetIndex } = chunk;
  if (offsetIndex !== null) {
    return readOffsetIndex(await read(offsetIndex.offset, offsetIndex.length), chunk, rows);
  }
  if (length <= WHOLE_BYTES) return [{ offset, length, firstRow: 0 }];
  const spans: PageSpan[] = [];
  let firstRow = 0;
  for (let at = offset; at < offset + length && firstRow < rows; ) {
    const page = await readHeader(read, at, offset + length - at);
    if (page.rows > 0) spans.push({ offset: at, length: page.length, firstRow });
    firstRow += page.rows;
    at += page.length;
  }
  if (firstRow !== rows) throw new ParquetError(`a column's pages have ${firstRow} of ${rows} rows`);
  return spans;
}

/** @param left bytes of the column from there on */
async function readHeader(read: ReadRange, at: number, left: number) {
  const start = await read(at, Math.min(HEADER_BYTES[0], left));
  let page: ReturnType<typeof pageFacts>;
  try {
    page = pageFacts(start);
  } catch (error) {
    if (!(error instanceof ParquetError) || start.length === left) throw error;
    page = pageFacts(await read(at, Math.min(HEADER_BYTES[1], left)));
  }
  if (page.length > left) throw new ParquetError('a page is longer than its column');
  return page;
}

/** The values of one of a column's spans. */
export async function readSpanValues(
  read: ReadRange,
  leaf: Leaf,
  chunk: ColumnChunk,
  spans: readonly PageSpan[],
  number: number,
  groupRows: number,
): Promise<PageValue[]> {
  const { offset, length, firstRow } = spans[number] as PageSpan;
  if (length > MAX_UNIT_BYTES) {
    throw new ParquetError(
      `${length} bytes would have to be read for one image: write row groups of fewer rows, or with an offset index (pyarrow: write_page_index=True)`,
    );
  }
  let bytes = await read(offset, length);
  const first = (spans[0] as PageSpan).offset;
  if (first > chunk.offset && needsDictionary(bytes)) {
    bytes = Buffer.concat([await read(chunk.offset, first - chunk.offset), bytes]);
  }
  const rows = (spans[number + 1]?.firstRow ?? groupRows) - firstRow;
  return decodePages(bytes, { ...leaf, codec: chunk.codec }, rows);
}

/** A column of scalars, and where its values are. */
export interface ScalarColumn {
  readonly leaf: Leaf;
  readonly chunk: ColumnChunk;
}

/** The values of whole columns of a row group, in the columns' order. */
export async function readScalars(
  read: ReadRange,
  columns: readonly ScalarColumn[],
  { rows }: RowGroup,
): Promise<Scalar[][]> {
  const values: Scalar[][] = new Array(columns.length);
  for (const run of runsOf(columns)) {
    const bytes = await read(run.offset, run.end - run.offset);
    for (const { leaf, chunk } of run.columns) {
      const at = chunk.offset - run.offset;
      const decoded = await decodePages(
        bytes.subarray(at, at + chunk.length),
        { ...leaf, codec: chunk.codec },
        rows,
      );
      values[columns.findIndex((column) => column.leaf === leaf)] = decoded.map((value) =>
        scalarOf(value, leaf),
      );
    }
  }
  return values;
}

/** Columns that are read in one go. */
interface Run {
  readonly offset: number;
  end: number;
  readonly columns: ScalarColumn[];
}

function runsOf(columns: readonly ScalarColumn[]): Run[] {
  const runs: Run[] = [];
  let total = 0;
  for (const column of columns.toSorted((a, b) => a.chunk.offset - b.chunk.offset)) {
    const { offset, length } = column.chunk;
    const last = runs.at(-1);
    if (last !== undefined && offset - last.end <= GAP_BYTES) {
      last.end = Math.max(last.end, offset + length);
      last.columns.push(column);
    } else runs.push({ offset, end: offset + length, columns: [column] });
    total += length;
  }
  if (total > MAX_UNIT_BYTES) {
    throw new ParquetError(`its fields have ${total} bytes in one row group, of ${MAX_UNIT_BYTES} at most`);
  }
  return runs;
}

function scalarOf(value: PageValue, { path }: Leaf): Scalar {
  if (value === null || typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Uint8Array) return lossyUtf8.decode(value);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER))
    return Number(value);
  throw new ParquetError(`${path.join('.')} is ${value}, and integers are below 2^53`);
}
