import type { Dtype } from '@cropstream/client';

/** numpy's names of dtypes. It has no bfloat16: those are their 16 bits. */
const DESCRIPTORS: Readonly<Record<Dtype, string>> = {
  uint8: '|u1',
  float32: '<f4',
  float16: '<f2',
  bfloat16: '<u2',
  int64: '<i8',
  float64: '<f8',
};

/**
 * An array in NumPy's .npy format, version 1.0, C order.
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function encodeNpy(dtype: Dtype, shape: readonly number[], data: ArrayBufferView): Buffer {
  return Buffer.concat([header(DESCRIPTORS[dtype], shape), bytesOf(data)]);
}

/** The same in two parts, so that a large array is not copied. */
export function npyParts(dtype: Dtype, shape: readonly number[], data: ArrayBufferView): readonly Buffer[] {
  return [header(DESCRIPTORS[dtype], shape), bytesOf(data)];
}

/** Strings as NumPy has them: UTF-32, all as long as the longest. */
export function npyStrings(values: readonly string[]): readonly Buffer[] {
  const points = values.map((value) => Array.from(value, (character) => character.codePointAt(0) ?? 0));
  const longest = Math.max(1, ...points.map(({ length }) => length));
  const data = new Uint32Array(longest * values.length);
  for (const [row, codes] of points.entries()) data.set(codes, row * longest);
  return [header(`<U${longest}`, [values.length]), bytesOf(data)];
}

function header(descriptor: string, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const fields = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic, version and length take 10 bytes; the header ends in a newline at a multiple of 64.
  const padded = `${fields.padEnd(Math.ceil((fields.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, 'latin1')]);
}

const bytesOf = (data: ArrayBufferView) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
