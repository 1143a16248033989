import {
  BLOCK_BYTES,
  blocksOf,
  MAX_EXTENDED_HEADER_BYTES,
  type PaxRecords,
  readLongName,
  readPaxRecords,
  readTarHeader,
  TarError,
} from './tar.js';

/** A regular file in an archive. */
export interface TarMember {
  readonly name: string;
  /** Where its headers start, extended ones included. */
  readonly start: number;
  /** Where its bytes start, a whole number of blocks from `start`. */
  readonly offset: number;
  readonly size: number;
}

/** Bytes that the walk wants to see next: `length` of them, from `offset` on. */
export interface TarNeed {
  readonly offset: number;
  readonly length: number;
}

/** How an archive ended: with its mark, or just so. */
export type TarEnd = 'marked' | 'unmarked';

/**
 * Walks over an archive's headers from one member to the next, without I/O: it says which bytes it needs, and is given them by
 * `next(bytes)`. Links, folders and devices are passed over: nothing is ever followed.
 *
 * @param from where a header starts
 * @param end where the archive ends; nothing at or beyond it is asked for
 * @throws TarError for what is not an archive, or one that was cut short
 */
export function* walkTar(from: number, end: number): Generator<TarNeed | TarMember, TarEnd, Uint8Array> {
  let start = from;
  let at = from;
  let extended: { path?: string; size?: number } = {};
  while (at < end) {
    const header = readTarHeader(yield* need(at, BLOCK_BYTES, end));
    if (header === null) return 'marked';
    const offset = at + BLOCK_BYTES;
    if (header.kind === 'pax' || header.kind === 'pax-global' || header.kind === 'long-name') {
      if (header.size > MAX_EXTENDED_HEADER_BYTES) {
        throw new TarError(
          `an extended header of ${header.size} bytes is over the limit of ${MAX_EXTENDED_HEADER_BYTES}`,
        );
      }
      const bytes = yield* need(offset, header.size, end);
      if (header.kind === 'long-name') extended = { ...extended, path: readLongName(bytes) };
      else {
        const records = readPaxRecords(bytes);
        if (header.kind === 'pax') extended = { ...extended, ...checkedPax(records) };
        else if (records.path !== undefined || records.size !== undefined || records.isSparse) {
          throw new TarError('a global pax header gives all members one name or size');
        }
      }
      at = offset + blocksOf(header.size) * BLOCK_BYTES;
      continue;
    }
    const name = extended.path ?? header.name;
    const size = header.kind === 'bodiless' ? 0 : (extended.size ?? header.size);
    if (offset + size > end) {
      throw new TarError(`it was cut short: ${shown(name)} of ${size} bytes would end after its end`);
    }
    if (header.kind === 'sparse') {
      throw new TarError(`${shown(name)} is a sparse file: write the archive without --sparse`);
    }
    if (header.kind === 'file') yield { name, start, offset, size };
    at = offset + blocksOf(size) * BLOCK_BYTES;
    start = at;
    extended = {};
  }
  if (at > end) throw new TarError('it was cut short: it ends within its last block');
  if (start !== at) throw new TarError('it was cut short: it ends after an extended header');
  return 'unmarked';
}

export const isNeed = (step: TarNeed | TarMember): step is TarNeed => !('name' in step);

function* need(offset: number, length: number, end: number): Generator<TarNeed, Uint8Array, Uint8Array> {
  if (offset + length > end) throw new TarError('it was cut short: it ends within a header');
  return yield { offset, length };
}

function checkedPax({ isSparse, ...records }: PaxRecords): { path?: string; size?: number } {
  if (isSparse) throw new TarError('it has a sparse file: write the archive without --sparse');
  return records;
}

/** Names come from the archive: quoted, and not longer than a line. */
const shown = (name: string): string => JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
