import { DTYPE_BYTES, type Dtype, type Normalization, type PackFormat, type Pixels } from '../types.js';

const f = Math.fround;
const scratch = new DataView(new ArrayBuffer(4));

function float32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** IEEE 754 binary16 of a number, nearest, ties to even; beyond 65519 it is infinite. */
export function float16Bits(value: number): number {
  const bits = float32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(f(value));
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, ((bits >>> 23) & 255) - 127);
  // Units of the last place: scaling by a power of two is exact, so only the rounding below rounds.
  const units = magnitude * 2 ** (10 - exponent);
  const below = Math.floor(units);
  const rest = units - below;
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  // A carry out of the mantissa moves into the exponent by itself.
  return sign | (rounded < 1024 ? rounded : ((exponent + 14) << 10) + rounded);
}

/** bfloat16 (the upper half of a binary32) of a number, nearest, ties to even. */
export function bfloat16Bits(value: number): number {
  const bits = float32Bits(value);
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/**
 * The values that a channel's 256 levels become: ToTensor (f32 v/255), then Normalize (f32 (x - mean) / std), then
 * the dtype. As raw bits, for 2-byte dtypes in the lower half.
 */
export function packTable(dtype: Dtype, channel: 0 | 1 | 2, normalization?: Normalization): Uint32Array {
  const bits = {
    uint8: (x: number) => x,
    float32: float32Bits,
    float16: float16Bits,
    bfloat16: bfloat16Bits,
  };
  return Uint32Array.from({ length: 256 }, (_, level) => {
    if (dtype === 'uint8') return level;
    let value = f(level / 255);
    if (normalization) {
      const { mean, std } = normalization;
      value = f(f(value - f(mean[channel])) / f(std[channel]));
    }
    return bits[dtype](value);
  });
}

/** The image as one sample of a tensor: [3, H, W] or [H, W, 3], little-endian. */
export function pack(image: Pixels, format: PackFormat): Uint8Array {
  const { dtype, layout, normalization } = format;
  const pixels = image.width * image.height;
  const size = DTYPE_BYTES[dtype];
  const out = new Uint8Array(pixels * 3 * size);
  for (const channel of [0, 1, 2] as const) {
    const table = packTable(dtype, channel, normalization);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const value = table[image.data[pixel * 3 + channel]!]!;
      const index = layout === 'nchw' ? channel * pixels + pixel : pixel * 3 + channel;
      for (let byte = 0; byte < size; byte++) out[index * size + byte] = (value >>> (8 * byte)) & 255;
    }
  }
  return out;
}
