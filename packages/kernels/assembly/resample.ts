// Pillow's resize in fixed point. A 22-bit coefficient K is split into K >> 11 and K & 2047, both i16; each half is
// summed by itself, two taps at a time, and (high << 11) + low + 2^21 is Pillow's sum, modulo 2^32 in every step.
// Taps of an output index: (first input index, number of pairs) as two i32, and for each pair [high, high, low, low]; all
// outputs have as many pairs.
import { bytes16, interleaveHighBytes, interleaveLowBytes } from './lanes';
import { bandToRows } from './transpose';

/** Sixteen pixels under `pairs` pairs of taps, `step` bytes from one tap to the next. */
// @ts-ignore: decorator
@inline
function filter16(from: usize, step: usize, pairs: usize, weights: usize): v128 {
  const half = i32x4.splat(1 << 21);
  const zero = i32x4.splat(0);
  let low0 = half;
  let low1 = half;
  let low2 = half;
  let low3 = half;
  let high0 = zero;
  let high1 = zero;
  let high2 = zero;
  let high3 = zero;
  const end = weights + pairs * 8;
  for (let w = weights; w < end; w += 8) {
    const high = v128.load32_splat(w);
    const low = v128.load32_splat(w + 4);
    const a = v128.load(from);
    const b = v128.load(from + step);
    from += 2 * step;
    const left = interleaveLowBytes(a, b);
    const right = interleaveHighBytes(a, b);
    const p0 = i16x8.extend_low_i8x16_u(left);
    const p1 = i16x8.extend_high_i8x16_u(left);
    const p2 = i16x8.extend_low_i8x16_u(right);
    const p3 = i16x8.extend_high_i8x16_u(right);
    low0 = i32x4.add(low0, i32x4.dot_i16x8_s(p0, low));
    high0 = i32x4.add(high0, i32x4.dot_i16x8_s(p0, high));
    low1 = i32x4.add(low1, i32x4.dot_i16x8_s(p1, low));
    high1 = i32x4.add(high1, i32x4.dot_i16x8_s(p1, high));
    low2 = i32x4.add(low2, i32x4.dot_i16x8_s(p2, low));
    high2 = i32x4.add(high2, i32x4.dot_i16x8_s(p2, high));
    low3 = i32x4.add(low3, i32x4.dot_i16x8_s(p3, low));
    high3 = i32x4.add(high3, i32x4.dot_i16x8_s(p3, high));
  }
  return bytes16(join(high0, low0), join(high1, low1), join(high2, low2), join(high3, low3));
}

// @ts-ignore: decorator
@inline
function join(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, 11), low), 22);
}

/**
 * The horizontal pass of one channel: `count` bands, `bandStride` bytes apart, into rows of `rowStride` bytes
 * (`outputs` rounded up to a multiple of 16). `line` is scratch for `rowStride` columns of a band.
 */
export function horizontal(
  bands: usize,
  bandStride: usize,
  count: usize,
  line: usize,
  rows: usize,
  rowStride: usize,
  outputs: usize,
  bounds: usize,
  weights: usize,
): void {
  for (let band: usize = 0; band < count; band++) {
    let taps = weights;
    for (let out: usize = 0; out < outputs; out++) {
      const first = <usize>load<i32>(bounds + out * 8);
      const pairs = <usize>load<i32>(bounds + out * 8, 4);
      v128.store(line + out * 16, filter16(bands + first * 16, 16, pairs, taps));
      taps += pairs * 8;
    }
    bandToRows(line, outputs, rows, rowStride);
    bands += bandStride;
    rows += 16 * rowStride;
  }
}

/** Bands to rows without a filter, for an axis that keeps its size. */
export function unband(
  bands: usize,
  bandStride: usize,
  count: usize,
  rows: usize,
  rowStride: usize,
  width: usize,
): void {
  for (let band: usize = 0; band < count; band++) {
    bandToRows(bands, width, rows, rowStride);
    bands += bandStride;
    rows += 16 * rowStride;
  }
}

/** The vertical pass of one channel: rows of `rowStride` bytes into a tightly packed plane. */
export function vertical(
  rows: usize,
  rowStride: usize,
  width: usize,
  to: usize,
  outputs: usize,
  bounds: usize,
  weights: usize,
): void {
  for (let out: usize = 0; out < outputs; out++) {
    const first = <usize>load<i32>(bounds + out * 8);
    const pairs = <usize>load<i32>(bounds + out * 8, 4);
    const from = rows + first * rowStride;
    // The last store of a row runs into the next row, which is written after it.
    for (let x: usize = 0; x < width; x += 16) {
      v128.store(to + x, filter16(from + x, rowStride, pairs, weights));
    }
    weights += pairs * 8;
    to += width;
  }
}
