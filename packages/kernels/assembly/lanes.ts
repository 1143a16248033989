// Lane arithmetic that several kernels share. Eight pixels of one channel are an i16x8; four are an i32x4.

/** 1.5 * 2^23: added to a float of less than 2^22 in magnitude, it leaves the rounded integer in the low bits. */
const SHIFTER: f32 = 12582912;
const SHIFTER_BITS: i32 = 0x4b400000;

/** Eight uint8 from memory. */
// @ts-ignore: decorator
@inline
export function load8(from: usize): v128 {
  return v128.load_ext<u8>(from);
}

// @ts-ignore: decorator
@inline
export function lowFloats(x: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(x));
}

// @ts-ignore: decorator
@inline
export function highFloats(x: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(x));
}

/** Integers nearest to floats of less than 2^22 in magnitude, halves to even. */
// @ts-ignore: decorator
@inline
export function nearest(x: v128): v128 {
  return i32x4.sub(f32x4.add(x, f32x4.splat(SHIFTER)), i32x4.splat(SHIFTER_BITS));
}

/** Floats of less than 2^22 in magnitude, rounded down: fewer instructions than a saturating truncation. */
// @ts-ignore: decorator
@inline
export function floors(x: v128): v128 {
  return nearest(f32x4.floor(x));
}

/** Two i32x4 as eight uint8, saturated, into memory. */
// @ts-ignore: decorator
@inline
export function store8(to: usize, low: v128, high: v128): void {
  const words = i16x8.narrow_i32x4_s(low, high);
  v128.store64_lane(to, i8x16.narrow_i16x8_u(words, words), 0);
}

/** Four i32x4 as sixteen uint8, saturated. */
// @ts-ignore: decorator
@inline
export function bytes16(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

// @ts-ignore: decorator
@inline
export function interleaveLowBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
export function interleaveHighBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// @ts-ignore: decorator
@inline
export function interleaveLowWords(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
export function interleaveHighWords(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
