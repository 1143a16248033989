import { ParquetError, readThrift, type ThriftValue } from './thrift.js';

/** A data page of a column, or all of them where nothing tells them apart. */
export interface PageSpan {
  readonly offset: number;
  readonly length: number;
  /** In its row group. */
  readonly firstRow: number;
}

/** Pages of one column in one row group; an index of more is refused. */
const MAX_PAGES = 1_000_000;

/**
 * Reads a column's offset index: where its pages are, and which rows they begin with.
 *
 * @param chunk the column's bytes in the file, dictionary included
 * @throws ParquetError
 */
export function readOffsetIndex(
  bytes: Uint8Array,
  chunk: { readonly offset: number; readonly length: number },
  rows: number,
): PageSpan[] {
  const locations = readThrift(bytes, 0).value.get(1);
  if (!Array.isArray(locations) || locations.length === 0 || locations.length > MAX_PAGES) {
    throw new ParquetError('an offset index has no list of pages');
  }
  let before = { end: chunk.offset, row: -1 };
  return locations.map((location: ThriftValue, i) => {
    const [offset, length, firstRow] = location instanceof Map ? [1, 2, 3].map((id) => location.get(id)) : [];
    const isSound =
      isCount(offset) &&
      isCount(length) &&
      isCount(firstRow) &&
      offset >= before.end &&
      offset + length <= chunk.offset + chunk.length &&
      firstRow < rows &&
      (i === 0 ? firstRow === 0 : firstRow > before.row);
    if (!isSound)
      throw new ParquetError('an offset index has pages that are out of order, or outside their column');
    before = { end: offset + length, row: firstRow };
    return { offset, length, firstRow };
  });
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The last entry that starts at or before a place: entries are in order, and the first starts at 0. */
export function lastAtOrBefore<T>(
  entries: readonly T[],
  place: number,
  startOf: (entry: T) => number,
): number {
  let low = 0;
  let high = entries.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (startOf(entries[middle] as T) <= place) low = middle;
    else high = middle;
  }
  return low;
}
