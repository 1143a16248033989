// Pillow's way through 8-bit HSV, eight pixels at a time. Where Pillow mixes f32 and f64, these formulas take f32 and
// small integers alone: scripts/prove-hue.mjs tries every input of both conversions (docs/kernels.md has the reasons).
import { floors, highFloats, load8, lowFloats } from './lanes';

// Results of a conversion: AssemblyScript returns one value.
let first: v128 = i16x8.splat(0);
let second: v128 = i16x8.splat(0);
let third: v128 = i16x8.splat(0);

/** 255 times the hue of (numerator / chroma + base) / 6, which is negative between red and magenta. */
// @ts-ignore: decorator
@inline
function hue4(numerator: v128, chroma: v128, base: v128): v128 {
  const h = f32x4.add(base, f32x4.div(numerator, chroma));
  const turn = f32x4.div(h, f32x4.splat(6));
  const wrapped = f32x4.add(turn, v128.and(f32x4.lt(h, f32x4.splat(0)), f32x4.splat(1)));
  return floors(f32x4.mul(wrapped, f32x4.splat(255)));
}

// @ts-ignore: decorator
@inline
function saturation4(chroma: v128, value: v128): v128 {
  return floors(f32x4.mul(f32x4.div(chroma, value), f32x4.splat(255)));
}

// @ts-ignore: decorator
@inline
function toHsv(r: v128, g: v128, b: v128): void {
  const less = i16x8.min_s(r, g);
  const more = i16x8.max_s(r, g);
  const value = i16x8.max_s(more, b);
  const chroma = i16x8.sub(value, i16x8.min_s(less, b));
  const middle = i16x8.max_s(less, i16x8.min_s(more, b));
  const numerator = i16x8.sub(value, middle);
  const isRed = i16x8.eq(r, value);
  const isGreen = v128.andnot(i16x8.eq(g, value), isRed);
  // Whether the hue lies before (minus) or after the middle of the sextants around its primary, which are at 0, 2, 4.
  const redMinus = v128.and(isRed, i16x8.ge_s(g, b));
  const greenMinus = v128.and(isGreen, i16x8.gt_s(b, r));
  const blueMinus = v128.andnot(i16x8.gt_s(r, g), v128.or(isRed, isGreen));
  const minus = v128.or(redMinus, v128.or(greenMinus, blueMinus));
  const primary = v128.bitselect(
    i16x8.splat(0),
    v128.bitselect(i16x8.splat(2), i16x8.splat(4), isGreen),
    isRed,
  );
  const base = i16x8.add(i16x8.sub(primary, i16x8.splat(1)), v128.and(minus, i16x8.splat(2)));
  const signed = i16x8.sub(v128.xor(numerator, minus), minus);
  // Greys have no hue and no saturation: any divisor but zero will do.
  const one = i16x8.splat(1);
  const divisor = i16x8.max_s(chroma, one);
  const whole = i16x8.max_s(value, one);
  first = i16x8.narrow_i32x4_s(
    hue4(lowFloats(signed), lowFloats(divisor), lowFloats(base)),
    hue4(highFloats(signed), highFloats(divisor), highFloats(base)),
  );
  second = i16x8.narrow_i32x4_s(
    saturation4(lowFloats(chroma), lowFloats(whole)),
    saturation4(highFloats(chroma), highFloats(whole)),
  );
  third = value;
}

/** round(product * distance / 255^2): the numerator is an integer below 2^24, so exact. */
// @ts-ignore: decorator
@inline
function scaled4(product: v128, distance: v128): v128 {
  const numerator = f32x4.add(
    f32x4.mul(f32x4.convert_i32x4_s(product), distance),
    f32x4.splat(32512),
  );
  return floors(f32x4.mul(numerator, f32x4.splat(1.0 / 65025.0)));
}

// @ts-ignore: decorator
@inline
function fromHsv(hue: v128, s: v128, v: v128): void {
  const h = v128.andnot(hue, i16x8.eq(hue, i16x8.splat(255)));
  const from1 = i16x8.gt_s(h, i16x8.splat(42));
  const from2 = i16x8.gt_s(h, i16x8.splat(84));
  const from3 = i16x8.gt_s(h, i16x8.splat(127));
  const from4 = i16x8.gt_s(h, i16x8.splat(169));
  const from5 = i16x8.gt_s(h, i16x8.splat(212));
  // The middle channel falls from a sextant's start to its end or the other way about: a triangular wave of 6h.
  const jump = i16x8.splat(510);
  const crest = i16x8.add(
    i16x8.splat(255),
    i16x8.add(v128.and(from2, jump), v128.and(from4, jump)),
  );
  const distance = i16x8.abs(i16x8.sub(i16x8.mul(h, i16x8.splat(6)), crest));
  const product = i16x8.mul(v, s);
  const rounded = i16x8.add(product, i16x8.splat(128));
  const low = i16x8.sub(v, i16x8.shr_u(i16x8.add(rounded, i16x8.shr_u(rounded, 8)), 8));
  const middle = i16x8.sub(
    v,
    i16x8.narrow_i32x4_s(
      scaled4(i32x4.extend_low_i16x8_u(product), lowFloats(distance)),
      scaled4(i32x4.extend_high_i16x8_u(product), highFloats(distance)),
    ),
  );
  const redMiddle = v128.xor(v128.xor(from1, from2), v128.xor(from4, from5));
  const redLow = v128.xor(from2, from4);
  first = v128.bitselect(low, v128.bitselect(middle, v, redMiddle), redLow);
  second = v128.bitselect(low, v128.bitselect(v, middle, v128.xor(from1, from3)), from4);
  third = v128.bitselect(v128.bitselect(v, middle, v128.xor(from3, from5)), low, from2);
}

// @ts-ignore: decorator
@inline
function store(at: usize, words: v128): void {
  v128.store64_lane(at, i8x16.narrow_i16x8_u(words, words), 0);
}

/** Adds `shift` (0 to 255) to the hue of `count` pixels; runs to the next multiple of 8. */
export function hue(at: usize, plane: usize, count: usize, shift: i32): void {
  const turn = i16x8.splat(<i16>shift);
  for (const end = at + count; at < end; at += 8) {
    toHsv(load8(at), load8(at + plane), load8(at + 2 * plane));
    fromHsv(v128.and(i16x8.add(first, turn), i16x8.splat(255)), second, third);
    store(at, first);
    store(at + plane, second);
    store(at + 2 * plane, third);
  }
}

/** The first half of `hue`, for its proof. */
export function rgbToHsv(at: usize, plane: usize, count: usize): void {
  for (const end = at + count; at < end; at += 8) {
    toHsv(load8(at), load8(at + plane), load8(at + 2 * plane));
    store(at, first);
    store(at + plane, second);
    store(at + 2 * plane, third);
  }
}

/** The second half of `hue`, for its proof. */
export function hsvToRgb(at: usize, plane: usize, count: usize): void {
  for (const end = at + count; at < end; at += 8) {
    fromHsv(load8(at), load8(at + plane), load8(at + 2 * plane));
    store(at, first);
    store(at + plane, second);
    store(at + 2 * plane, third);
  }
}
