// Passes of Pillow's extended box blur on one plane: (inner * near + outer * far + 2^23) >> 24, unsigned, where near
// sums the 2 * radius + 1 pixels of the box and far the two beyond it; edges are repeated.
import { bytes16, interleaveHighWords, interleaveLowWords } from './lanes';

// The 24-bit weights in two halves of 12 bits, each as (inner, outer) for a dot product with (near, far).
let upperWeights: v128 = i32x4.splat(0);
let lowerWeights: v128 = i32x4.splat(0);

// @ts-ignore: decorator
@inline
function setWeights(inner: i32, outer: i32): void {
  upperWeights = i32x4.splat((inner >> 12) | ((outer >> 12) << 16));
  lowerWeights = i32x4.splat((inner & 4095) | ((outer & 4095) << 16));
}

// @ts-ignore: decorator
@inline
function weigh(nearFar: v128, upper: v128, lower: v128): v128 {
  const high = i32x4.shl(i32x4.dot_i16x8_s(nearFar, upper), 12);
  const sum = i32x4.add(i32x4.add(high, i32x4.dot_i16x8_s(nearFar, lower)), i32x4.splat(1 << 23));
  return i32x4.shr_u(sum, 24);
}

/**
 * One line of a pass with radius 0, or 1 where `wide`. `far0` to `far1` are the lines of the neighbours: shifted copies of
 * the same row, or other rows.
 */
// @ts-ignore: decorator
@inline
function line(
  from: usize,
  far0: usize,
  near0: usize,
  near1: usize,
  far1: usize,
  to: usize,
  count: usize,
  wide: bool,
): void {
  const upper = upperWeights;
  const lower = lowerWeights;
  for (let x: usize = 0; x < count; x += 16) {
    const centre = v128.load(from + x);
    const left = v128.load(far0 + x);
    const right = v128.load(far1 + x);
    let nearLow = i16x8.extend_low_i8x16_u(centre);
    let nearHigh = i16x8.extend_high_i8x16_u(centre);
    if (wide) {
      const a = v128.load(near0 + x);
      const b = v128.load(near1 + x);
      nearLow = i16x8.add(nearLow, i16x8.add(i16x8.extend_low_i8x16_u(a), i16x8.extend_low_i8x16_u(b)));
      nearHigh = i16x8.add(nearHigh, i16x8.add(i16x8.extend_high_i8x16_u(a), i16x8.extend_high_i8x16_u(b)));
    }
    const farLow = i16x8.add(i16x8.extend_low_i8x16_u(left), i16x8.extend_low_i8x16_u(right));
    const farHigh = i16x8.add(i16x8.extend_high_i8x16_u(left), i16x8.extend_high_i8x16_u(right));
    const a = weigh(interleaveLowWords(nearLow, farLow), upper, lower);
    const b = weigh(interleaveHighWords(nearLow, farLow), upper, lower);
    const c = weigh(interleaveLowWords(nearHigh, farHigh), upper, lower);
    const d = weigh(interleaveHighWords(nearHigh, farHigh), upper, lower);
    v128.store(to + x, bytes16(a, b, c, d));
  }
}

/** Sixteen copies of a line's ends on either side of it. */
// @ts-ignore: decorator
@inline
function extend(at: usize, count: usize): void {
  v128.store(at - 16, v128.load8_splat(at));
  v128.store(at + count, v128.load8_splat(at + count - 1));
}

// @ts-ignore: decorator
@inline
function rowPass(from: usize, to: usize, count: usize, wide: bool): void {
  extend(from, count);
  if (wide) line(from, from - 2, from - 1, from + 1, from + 2, to, count, true);
  else line(from, from - 1, from, from, from + 1, to, count, false);
}

/** Three passes along the rows; `lines` is scratch for two lines of `width` + 64 bytes each, rounded up to a multiple of 16. */
// @ts-ignore: decorator
@inline
function blurRows(from: usize, to: usize, width: usize, height: usize, wide: bool, lines: usize): void {
  const one = lines + 16;
  const two = one + ((width + 64) & ~15);
  for (let y: usize = 0; y < height; y++) {
    memory.copy(one, from, width);
    rowPass(one, two, width, wide);
    rowPass(two, one, width, wide);
    rowPass(one, two, width, wide);
    memory.copy(to, two, width);
    from += width;
    to += width;
  }
}

/** One pass along the columns. */
// @ts-ignore: decorator
@inline
function columnPass(from: usize, to: usize, width: usize, height: usize, wide: bool): void {
  const last = (height - 1) * width;
  const far: usize = wide ? 2 * width : width;
  for (let at: usize = 0; at <= last; at += width) {
    const far0 = from + (at > far ? at - far : 0);
    const far1 = from + min(at + far, last);
    const near0 = from + (at > width ? at - width : 0);
    line(from + at, far0, near0, from + min(at + width, last), far1, to + at, width, wide);
  }
}

// @ts-ignore: decorator
@inline
function blur(plane: usize, other: usize, width: usize, height: usize, wide: bool, scratch: usize): void {
  blurRows(plane, other, width, height, wide, scratch);
  columnPass(other, plane, width, height, wide);
  columnPass(plane, other, width, height, wide);
  columnPass(other, plane, width, height, wide);
}

/**
 * Three passes along the rows and three along the columns with radius 0, or 1 where `wide`. `other` has the plane's size and
 * loses what it held, `scratch` is 128 bytes for each pixel of the longer side and for 64 more.
 */
export function smallBlur(
  plane: usize,
  other: usize,
  width: usize,
  height: usize,
  wide: bool,
  inner: i32,
  outer: i32,
  scratch: usize,
): void {
  setWeights(inner, outer);
  if (wide) blur(plane, other, width, height, true, scratch);
  else blur(plane, other, width, height, false, scratch);
}

// @ts-ignore: decorator
@inline
function widen(low: bool, words: v128): v128 {
  return low ? i32x4.extend_low_i16x8_u(words) : i32x4.extend_high_i16x8_u(words);
}

/** One pass along the columns with any radius: running sums, sixteen columns at a time. */
export function largeColumns(
  from: usize,
  to: usize,
  width: usize,
  height: usize,
  radius: usize,
  inner: i32,
  outer: i32,
): void {
  const innerWeight = i32x4.splat(inner);
  const outerWeight = i32x4.splat(outer);
  const half = i32x4.splat(1 << 23);
  const last = height - 1;
  for (let column: usize = 0; column < width; column += 16) {
    // The last columns again rather than the next row's first; a narrow plane's rows are overwritten in order.
    const x = column + 16 > width && width >= 16 ? width - 16 : column;
    const top = v128.load(from + x);
    const bottom = v128.load(from + x + last * width);
    const above = i32x4.splat(<i32>(radius + 1));
    const below = i32x4.splat(radius > last ? <i32>(radius - last) : 0);
    let near0 = edge(top, bottom, above, below, true, true);
    let near1 = edge(top, bottom, above, below, true, false);
    let near2 = edge(top, bottom, above, below, false, true);
    let near3 = edge(top, bottom, above, below, false, false);
    for (let y: usize = 1; y <= min(radius, last); y++) {
      const pixels = v128.load(from + x + y * width);
      const low = i16x8.extend_low_i8x16_u(pixels);
      const high = i16x8.extend_high_i8x16_u(pixels);
      near0 = i32x4.add(near0, widen(true, low));
      near1 = i32x4.add(near1, widen(false, low));
      near2 = i32x4.add(near2, widen(true, high));
      near3 = i32x4.add(near3, widen(false, high));
    }
    for (let y: usize = 0; y < height; y++) {
      const beyond = v128.load(from + x + min(y + radius + 1, last) * width);
      const leaving = v128.load(from + x + (y > radius ? y - radius : 0) * width);
      const before = v128.load(from + x + (y > radius ? y - radius - 1 : 0) * width);
      const beyondLow = i16x8.extend_low_i8x16_u(beyond);
      const beyondHigh = i16x8.extend_high_i8x16_u(beyond);
      const farLow = i16x8.add(beyondLow, i16x8.extend_low_i8x16_u(before));
      const farHigh = i16x8.add(beyondHigh, i16x8.extend_high_i8x16_u(before));
      const a = total(near0, widen(true, farLow), innerWeight, outerWeight, half);
      const b = total(near1, widen(false, farLow), innerWeight, outerWeight, half);
      const c = total(near2, widen(true, farHigh), innerWeight, outerWeight, half);
      const d = total(near3, widen(false, farHigh), innerWeight, outerWeight, half);
      v128.store(to + x + y * width, bytes16(a, b, c, d));
      const changeLow = i16x8.sub(beyondLow, i16x8.extend_low_i8x16_u(leaving));
      const changeHigh = i16x8.sub(beyondHigh, i16x8.extend_high_i8x16_u(leaving));
      near0 = i32x4.add(near0, i32x4.extend_low_i16x8_s(changeLow));
      near1 = i32x4.add(near1, i32x4.extend_high_i16x8_s(changeLow));
      near2 = i32x4.add(near2, i32x4.extend_low_i16x8_s(changeHigh));
      near3 = i32x4.add(near3, i32x4.extend_high_i16x8_s(changeHigh));
    }
  }
}

/** The part of the first box that lies beyond the plane, and its first row. */
// @ts-ignore: decorator
@inline
function edge(top: v128, bottom: v128, above: v128, below: v128, lowHalf: bool, low: bool): v128 {
  const first = lowHalf ? i16x8.extend_low_i8x16_u(top) : i16x8.extend_high_i8x16_u(top);
  const last = lowHalf ? i16x8.extend_low_i8x16_u(bottom) : i16x8.extend_high_i8x16_u(bottom);
  return i32x4.add(i32x4.mul(widen(low, first), above), i32x4.mul(widen(low, last), below));
}

// @ts-ignore: decorator
@inline
function total(near: v128, far: v128, inner: v128, outer: v128, half: v128): v128 {
  const sum = i32x4.add(i32x4.mul(near, inner), i32x4.mul(far, outer));
  return i32x4.shr_u(i32x4.add(sum, half), 24);
}

/** A plane with rows and columns exchanged. */
export function transposePlane(from: usize, to: usize, width: usize, height: usize): void {
  for (let y: usize = 0; y < height; y++) {
    for (let x: usize = 0; x < width; x++) store<u8>(to + x * height + y, load<u8>(from + y * width + x));
  }
}
