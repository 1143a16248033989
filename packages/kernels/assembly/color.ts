// Point operations on planes of uint8. Blends follow Pillow's: f32, rounded after the multiplication and after the
// addition, clipped (by the saturating stores), truncated. `alpha` is at most 1024 in magnitude.
import {
  bytes16,
  floors,
  highFloats,
  interleaveHighWords,
  interleaveLowWords,
  load8,
  lowFloats,
  store8,
} from './lanes';

// The weight of green, 38470, does not fit an i16: half of it goes with red, half with blue.
const RED_GREEN: i32 = 19595 | (19235 << 16);
const GREEN_BLUE: i32 = 19235 | (7471 << 16);

// @ts-ignore: decorator
@inline
function luma4(redGreen: v128, greenBlue: v128): v128 {
  const sum = i32x4.add(
    i32x4.dot_i16x8_s(redGreen, i32x4.splat(RED_GREEN)),
    i32x4.dot_i16x8_s(greenBlue, i32x4.splat(GREEN_BLUE)),
  );
  return i32x4.shr_u(i32x4.add(sum, i32x4.splat(32768)), 16);
}

// @ts-ignore: decorator
@inline
function lowLuma(r: v128, g: v128, b: v128): v128 {
  return luma4(interleaveLowWords(r, g), interleaveLowWords(g, b));
}

// @ts-ignore: decorator
@inline
function highLuma(r: v128, g: v128, b: v128): v128 {
  return luma4(interleaveHighWords(r, g), interleaveHighWords(g, b));
}

// @ts-ignore: decorator
@inline
function blend(degenerate: v128, difference: v128, alpha: v128): v128 {
  return floors(f32x4.add(degenerate, f32x4.mul(alpha, difference)));
}

/** Brightness and contrast: `count` bytes blended with one value; runs to the next multiple of 16. */
export function blendConstant(at: usize, count: usize, degenerate: i32, factor: f32): void {
  const constant = i16x8.splat(<i16>degenerate);
  const base = f32x4.splat(<f32>degenerate);
  const alpha = f32x4.splat(factor);
  for (const end = at + count; at < end; at += 16) {
    const pixels = v128.load(at);
    const low = i16x8.sub(i16x8.extend_low_i8x16_u(pixels), constant);
    const high = i16x8.sub(i16x8.extend_high_i8x16_u(pixels), constant);
    const a = blend(base, lowFloats(low), alpha);
    const b = blend(base, highFloats(low), alpha);
    const c = blend(base, lowFloats(high), alpha);
    const d = blend(base, highFloats(high), alpha);
    v128.store(at, bytes16(a, b, c, d));
  }
}

/** The sum of the luma of `count` pixels. */
export function lumaSum(at: usize, plane: usize, count: usize): f64 {
  let total: f64 = 0;
  const whole = at + (count & ~7);
  while (at < whole) {
    // No lane of the sum overflows within 2^20 pixels.
    let sum = i32x4.splat(0);
    for (const end = min(whole, at + (1 << 20)); at < end; at += 8) {
      const r = load8(at);
      const g = load8(at + plane);
      const b = load8(at + 2 * plane);
      sum = i32x4.add(sum, i32x4.add(lowLuma(r, g, b), highLuma(r, g, b)));
    }
    total += <f64>i32x4.extract_lane(sum, 0) + <f64>i32x4.extract_lane(sum, 1);
    total += <f64>i32x4.extract_lane(sum, 2) + <f64>i32x4.extract_lane(sum, 3);
  }
  for (const end = whole + (count & 7); at < end; at++) {
    const r = <u32>load<u8>(at);
    const g = <u32>load<u8>(at + plane);
    const b = <u32>load<u8>(at + 2 * plane);
    total += <f64>((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
  }
  return total;
}

// @ts-ignore: decorator
@inline
function saturate(at: usize, x: v128, lowGrey: v128, highGrey: v128, alpha: v128): void {
  const low = f32x4.convert_i32x4_s(i32x4.sub(i32x4.extend_low_i16x8_s(x), lowGrey));
  const high = f32x4.convert_i32x4_s(i32x4.sub(i32x4.extend_high_i16x8_s(x), highGrey));
  const a = blend(f32x4.convert_i32x4_s(lowGrey), low, alpha);
  const b = blend(f32x4.convert_i32x4_s(highGrey), high, alpha);
  store8(at, a, b);
}

/** Each pixel blended with its luma; runs to the next multiple of 8. */
export function saturation(at: usize, plane: usize, count: usize, factor: f32): void {
  const alpha = f32x4.splat(factor);
  for (const end = at + count; at < end; at += 8) {
    const r = load8(at);
    const g = load8(at + plane);
    const b = load8(at + 2 * plane);
    const low = lowLuma(r, g, b);
    const high = highLuma(r, g, b);
    saturate(at, r, low, high, alpha);
    saturate(at + plane, g, low, high, alpha);
    saturate(at + 2 * plane, b, low, high, alpha);
  }
}

/** Luma into all three channels; runs to the next multiple of 8. */
export function grayscale(at: usize, plane: usize, count: usize): void {
  for (const end = at + count; at < end; at += 8) {
    const r = load8(at);
    const g = load8(at + plane);
    const b = load8(at + 2 * plane);
    const low = lowLuma(r, g, b);
    const high = highLuma(r, g, b);
    store8(at, low, high);
    store8(at + plane, low, high);
    store8(at + 2 * plane, low, high);
  }
}

/** Values at or above `threshold` (0 to 255) are inverted; runs to the next multiple of 16. */
export function solarize(at: usize, count: usize, threshold: i32): void {
  const from = i8x16.splat(<i8>threshold);
  for (const end = at + count; at < end; at += 16) {
    const pixels = v128.load(at);
    // All ones where inverted: 255 - v is v with every bit flipped.
    v128.store(at, v128.xor(pixels, i8x16.ge_u(pixels, from)));
  }
}
