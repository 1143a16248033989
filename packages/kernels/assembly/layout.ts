// Between interleaved and planar pixels, and from levels to the values of a tensor.
import { bytes16 } from './lanes';

// @ts-ignore: decorator
@inline
function channel(a: v128, b: v128, c: v128, d: v128, shift: i32): v128 {
  const byte = i32x4.splat(255);
  return bytes16(
    v128.and(i32x4.shr_u(a, shift), byte),
    v128.and(i32x4.shr_u(b, shift), byte),
    v128.and(i32x4.shr_u(c, shift), byte),
    v128.and(i32x4.shr_u(d, shift), byte),
  );
}

/** A rectangle of an RGBX image into a rectangle of planes; strides in bytes. Writes nothing beside it. */
export function planesFromRgbx(
  from: usize,
  fromStride: usize,
  width: usize,
  height: usize,
  to: usize,
  toStride: usize,
  plane: usize,
): void {
  const whole = width & ~15;
  for (let y: usize = 0; y < height; y++) {
    for (let x: usize = 0; x < whole; x += 16) {
      const a = v128.load(from + x * 4);
      const b = v128.load(from + x * 4, 16);
      const c = v128.load(from + x * 4, 32);
      const d = v128.load(from + x * 4, 48);
      v128.store(to + x, channel(a, b, c, d, 0));
      v128.store(to + x + plane, channel(a, b, c, d, 8));
      v128.store(to + x + 2 * plane, channel(a, b, c, d, 16));
    }
    for (let x = whole; x < width; x++) {
      store<u8>(to + x, load<u8>(from + x * 4));
      store<u8>(to + x + plane, load<u8>(from + x * 4, 1));
      store<u8>(to + x + 2 * plane, load<u8>(from + x * 4, 2));
    }
    from += fromStride;
    to += toStride;
  }
}

/** `count` tightly packed RGB pixels into planes. */
export function planesFromRgb(from: usize, count: usize, to: usize, plane: usize): void {
  for (const end = to + count; to < end; to++, from += 3) {
    store<u8>(to, load<u8>(from));
    store<u8>(to + plane, load<u8>(from, 1));
    store<u8>(to + 2 * plane, load<u8>(from, 2));
  }
}

/** `count` pixels of planes as tightly packed RGB; runs to the next multiple of 16. */
export function rgbFromPlanes(from: usize, plane: usize, count: usize, to: usize): void {
  for (const end = from + count; from < end; from += 16, to += 48) {
    const r = v128.load(from);
    const g = v128.load(from + plane);
    const b = v128.load(from + 2 * plane);
    const rg0 = v128.shuffle<u8>(r, g, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    const rg1 = v128.shuffle<u8>(r, g, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    const rg2 = v128.shuffle<u8>(r, g, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    v128.store(to, v128.shuffle<u8>(rg0, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15));
    v128.store(to, v128.shuffle<u8>(rg1, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15), 16);
    v128.store(to, v128.shuffle<u8>(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31), 32);
  }
}

/** A rectangle of bytes; strides in bytes. */
export function copyRows(
  from: usize,
  fromStride: usize,
  width: usize,
  height: usize,
  to: usize,
  toStride: usize,
): void {
  for (let y: usize = 0; y < height; y++) {
    memory.copy(to, from, width);
    from += fromStride;
    to += toStride;
  }
}

/** One plane with its columns in reverse order. */
export function flipRows(from: usize, to: usize, width: usize, height: usize): void {
  const whole = width & ~15;
  for (let y: usize = 0; y < height; y++) {
    const end = to + width;
    for (let x: usize = 0; x < whole; x += 16) {
      const pixels = v128.load(from + x);
      const reversed = v128.shuffle<u8>(pixels, pixels, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
      v128.store(end - x - 16, reversed);
    }
    for (let x = whole; x < width; x++) store<u8>(end - x - 1, load<u8>(from + x));
    from += width;
    to += width;
  }
}

/** `count` levels through a table of 256 2-byte values; `step` bytes from one result to the next. */
export function lookup2(from: usize, count: usize, table: usize, to: usize, step: usize): void {
  for (const end = from + count; from < end; from++, to += step) {
    store<u16>(to, <u16>load<u32>(table + (<usize>load<u8>(from) << 2)));
  }
}

/** `count` levels through a table of 256 4-byte values; `step` bytes from one result to the next. */
export function lookup4(from: usize, count: usize, table: usize, to: usize, step: usize): void {
  for (const end = from + count; from < end; from++, to += step) {
    store<u32>(to, load<u32>(table + (<usize>load<u8>(from) << 2)));
  }
}
