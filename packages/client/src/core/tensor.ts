/** Element types. float16 and bfloat16 travel as their 16 bits: JavaScript has no array for them. */
export type Dtype = keyof TensorArrays;

export interface TensorArrays {
  uint8: Uint8Array<ArrayBuffer>;
  float32: Float32Array<ArrayBuffer>;
  float16: Uint16Array<ArrayBuffer>;
  bfloat16: Uint16Array<ArrayBuffer>;
  int64: BigInt64Array<ArrayBuffer>;
  float64: Float64Array<ArrayBuffer>;
}

/** A dense tensor, row-major; `dtype` tells which array `data` is. */
export type Tensor = {
  [D in Dtype]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: TensorArrays[D] };
}[Dtype];

export const BYTES_PER_ELEMENT: Readonly<Record<Dtype, number>> = {
  uint8: 1,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  float64: 8,
};

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(BYTES_PER_ELEMENT, name);
}

/** Elements of a tensor of that shape: 1 for a scalar's empty shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** Bytes of a tensor of that shape. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number {
  return elementsOf(shape) * BYTES_PER_ELEMENT[dtype];
}

/** A tensor over `tensorBytes` of memory. Its array owns it: it may be transferred to another thread. */
export function tensorOver(dtype: Dtype, shape: readonly number[], memory: ArrayBuffer): Tensor {
  switch (dtype) {
    case 'uint8':
      return { dtype, shape, data: new Uint8Array(memory) };
    case 'float32':
      return { dtype, shape, data: new Float32Array(memory) };
    case 'float16':
    case 'bfloat16':
      return { dtype, shape, data: new Uint16Array(memory) };
    case 'int64':
      return { dtype, shape, data: new BigInt64Array(memory) };
    case 'float64':
      return { dtype, shape, data: new Float64Array(memory) };
  }
}

/** The tensor's bytes, little-endian, not copied. */
export function bytesOf(data: Tensor['data']): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
