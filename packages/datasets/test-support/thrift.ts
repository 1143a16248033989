/** Thrift's compact protocol, written as tests need it: with counts that may lie. */

export type Thrift = readonly [id: number, value: number | boolean | Buffer | readonly Thrift[]][];

/** A struct of integers, booleans, raw values (with their type's number before them) and structs. */
export function thriftStruct(fields: Thrift): Buffer {
  const parts: Buffer[] = [];
  let last = 0;
  for (const [id, value] of fields) {
    const head = (type: number) => parts.push(Buffer.from([((id - last) << 4) | type]));
    if (typeof value === 'boolean') head(value ? 1 : 2);
    else if (typeof value === 'number') {
      head(6);
      parts.push(varint(zigzag(value)));
    } else if (Buffer.isBuffer(value)) {
      head(value[0] as number);
      parts.push(value.subarray(1));
    } else {
      head(12);
      parts.push(thriftStruct(value as unknown as Thrift));
    }
    last = id;
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}

/** A list that says that it has `count` entries. */
export const thriftList = (type: number, count: number, entries: readonly Buffer[] = []): Buffer =>
  Buffer.concat([Buffer.from([9, 0xf0 | type]), varint(count), ...entries]);

export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
