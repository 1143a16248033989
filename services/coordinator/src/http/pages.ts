import type { Page, PageQuery } from '@cropstream/api';
import { invalid } from '@cropstream/augment';

/**
 * One page of items in the order of their keys. A cursor names the last key of the page before, so that what comes and
 * goes meanwhile neither repeats nor hides another.
 *
 * @throws SPEC_INVALID for a cursor that no page gave
 */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { limit, cursor }: PageQuery,
): Page<T> {
  const after = cursor === undefined ? null : decodeCursor(cursor);
  const sorted = items
    .map((item) => ({ key: keyOf(item), item }))
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    next_cursor: last !== undefined && sorted.length > page.length ? encodeCursor(last.key) : null,
  };
}

export const encodeCursor = (key: string): string => Buffer.from(key).toString('base64url');

/** @throws SPEC_INVALID */
export function decodeCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (key === '' || encodeCursor(key) !== cursor) throw badCursor(cursor);
  return key;
}

/** @throws SPEC_INVALID unless it is the number that a page gave */
export function numberCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const key = decodeCursor(cursor);
  if (!/^\d{1,16}$/.test(key)) throw badCursor(cursor);
  return Number(key);
}

const badCursor = (cursor: string) => invalid('cursor', cursor, '`next_cursor` of the page before');
