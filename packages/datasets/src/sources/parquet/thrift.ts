/**
 * Thrift's compact protocol, as Parquet's footers, page headers and offset indexes are written in, read with bounds: hyparquet
 * trusts the counts that it reads.
 */

/** Thrown for bytes that are not what they should be; callers say of which file. */
export class ParquetError extends Error {
  override readonly name = 'ParquetError';
}

export type ThriftStruct = ReadonlyMap<number, ThriftValue>;
export type ThriftValue = number | boolean | Uint8Array | ThriftStruct | readonly ThriftValue[] | null;

/** Structures in structures. Parquet's go five deep. */
const MAX_DEPTH = 16;
/** Values in one structure: a footer of 10,000 row groups with ten columns has a million. */
const MAX_VALUES = 2 * 1024 * 1024;

/**
 * Reads a struct.
 *
 * @returns its fields by id, and where it ends
 * @throws ParquetError for one that goes beyond the bytes, or beyond the limits
 */
export function readThrift(
  bytes: Uint8Array,
  at: number,
): { readonly value: ThriftStruct; readonly end: number } {
  const reader = new ThriftReader(bytes, at, true);
  const value = reader.struct(0);
  return { value: value as ThriftStruct, end: reader.at };
}

/**
 * Checks that a struct is whole and within the limits, and keeps nothing of it.
 *
 * @returns where it ends
 * @throws ParquetError as `readThrift`
 */
export function checkThrift(bytes: Uint8Array, at: number): number {
  const reader = new ThriftReader(bytes, at, false);
  reader.struct(0);
  return reader.at;
}

class ThriftReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #keeps: boolean;
  #left = MAX_VALUES;

  constructor(bytes: Uint8Array, at: number, keeps: boolean) {
    this.#bytes = bytes;
    this.at = at;
    this.#keeps = keeps;
  }

  struct(depth: number): ThriftStruct | null {
    if (depth > MAX_DEPTH) throw new ParquetError(`its structures are nested more than ${MAX_DEPTH} deep`);
    const fields = this.#keeps ? new Map<number, ThriftValue>() : null;
    let id = 0;
    for (;;) {
      const byte = this.#byte();
      const type = byte & 15;
      if (type === 0) return fields;
      id = byte >> 4 === 0 ? this.#zigzag() : id + (byte >> 4);
      // Only here is a boolean in its type.
      const value = type === 1 || type === 2 ? this.#counted(type === 1) : this.#value(type, depth);
      fields?.set(id, value);
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case 1:
      case 2:
        return this.#counted(this.#byte() === 1);
      case 3:
        return this.#counted(this.#byte());
      case 4:
      case 5:
      case 6:
        return this.#counted(this.#zigzag());
      case 7:
        return this.#counted(this.#skip(8));
      case 8:
        return this.#counted(this.#skip(this.#varint()));
      case 9:
        return this.#list(depth);
      case 12:
        this.#counted(null);
        return this.struct(depth + 1);
      default:
        throw new ParquetError(`it has a value of the unknown type ${type}`);
    }
  }

  #list(depth: number): ThriftValue {
    const byte = this.#byte();
    const count = byte >> 4 === 15 ? this.#varint() : byte >> 4;
    if (depth > MAX_DEPTH) throw new ParquetError(`its structures are nested more than ${MAX_DEPTH} deep`);
    if (count > this.#bytes.length - this.at) throw new ParquetError('a list is longer than what is left');
    const values: ThriftValue[] = [];
    for (let i = 0; i < count; i++) {
      const value = this.#value(byte & 15, depth + 1);
      if (this.#keeps) values.push(value);
    }
    return values;
  }

  #counted<T>(value: T): T {
    if (this.#left-- === 0) throw new ParquetError(`it has more than ${MAX_VALUES} values`);
    return value;
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new ParquetError('it ends within a structure');
    return byte;
  }

  #skip(length: number): Uint8Array {
    if (length > this.#bytes.length - this.at) throw new ParquetError('it ends within a structure');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** Up to 2^63; exact up to 2^53, and nothing larger is a size or a place in a file. */
  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw new ParquetError('it has a number of more than 64 bits');
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
