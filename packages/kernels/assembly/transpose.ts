// Bands: sixteen rows of one channel, column by column, sixteen bytes a column. Along a row of the image a band is
// contiguous, so a horizontal filter reads it as a vertical one reads an image, sixteen rows at a time.
// An image is [band][channel][column][16]; columns are padded to a multiple of 4, rows of the last band repeat.
import { interleaveHighBytes, interleaveLowBytes } from './lanes';

const tile = memory.data(256, 16);

/**
 * Half of a 16 x 16 transposition, a quarter of it: rows i, i + 4, i + 8 and i + 12 become rows 4i to 4i + 3.
 * Twice over all quarters is the whole, for each half rotates the bits of (row, column) by two.
 */
// @ts-ignore: decorator
@inline
function weave(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  const acLow = interleaveLowBytes(a, c);
  const acHigh = interleaveHighBytes(a, c);
  const bdLow = interleaveLowBytes(b, d);
  const bdHigh = interleaveHighBytes(b, d);
  v128.store(to, interleaveLowBytes(acLow, bdLow));
  v128.store(to + step, interleaveHighBytes(acLow, bdLow));
  v128.store(to + 2 * step, interleaveLowBytes(acHigh, bdHigh));
  v128.store(to + 3 * step, interleaveHighBytes(acHigh, bdHigh));
}

/** The first half, from sixteen rows `stride` bytes apart; rows from `rows` on repeat the last. */
// @ts-ignore: decorator
@inline
function gather(from: usize, stride: usize, rows: usize): void {
  const last = rows - 1;
  for (let i: usize = 0; i < 4; i++) {
    const a = v128.load(from + min(i, last) * stride);
    const b = v128.load(from + min(i + 4, last) * stride);
    const c = v128.load(from + min(i + 8, last) * stride);
    const d = v128.load(from + min(i + 12, last) * stride);
    weave(a, b, c, d, tile + i * 64, 16);
  }
}

/** A band of an RGBX image: `rows` (at most 16) rows of `width` pixels, `stride` bytes apart. */
export function bandFromRgbx(from: usize, stride: usize, width: usize, rows: usize, to: usize, plane: usize): void {
  for (let x: usize = 0; x < width; x += 4) {
    gather(from + x * 4, stride, rows);
    // After the second half, row 4i + c holds channel c of pixel i; the fourth channel is left out.
    for (let i: usize = 0; i < 4; i++) {
      const a = v128.load(tile + i * 16);
      const b = v128.load(tile + i * 16 + 64);
      const c = v128.load(tile + i * 16 + 128);
      const d = v128.load(tile + i * 16 + 192);
      const acLow = interleaveLowBytes(a, c);
      const bdLow = interleaveLowBytes(b, d);
      const at = to + (x + i) * 16;
      v128.store(at, interleaveLowBytes(acLow, bdLow));
      v128.store(at + plane, interleaveHighBytes(acLow, bdLow));
      v128.store(at + 2 * plane, interleaveLowBytes(interleaveHighBytes(a, c), interleaveHighBytes(b, d)));
    }
  }
}

/** A band of one channel from a plane; writes columns up to the next multiple of 16. */
export function bandFromPlane(from: usize, stride: usize, width: usize, rows: usize, to: usize): void {
  for (let x: usize = 0; x < width; x += 16) {
    gather(from + x, stride, rows);
    for (let i: usize = 0; i < 4; i++) {
      const t = tile + i * 16;
      const at = to + x * 16 + i * 64;
      weave(v128.load(t), v128.load(t + 64), v128.load(t + 128), v128.load(t + 192), at, 16);
    }
  }
}

/** Sixteen rows from a band: `stride` must be `width` rounded up to a multiple of 16 at least. */
export function bandToRows(from: usize, width: usize, to: usize, stride: usize): void {
  for (let x: usize = 0; x < width; x += 16) {
    gather(from + x * 16, 16, 16);
    for (let i: usize = 0; i < 4; i++) {
      const t = tile + i * 16;
      const at = to + x + i * 4 * stride;
      weave(v128.load(t), v128.load(t + 64), v128.load(t + 128), v128.load(t + 192), at, stride);
    }
  }
}
