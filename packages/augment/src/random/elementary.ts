/**
 * `exp` and `log` of our own. Engines' Math.exp and Math.log differ in the last bit between builds, and
 * a last bit can move a crop box by a pixel. These use only IEEE double + - * / and exponent bits, so
 * they give the same bits everywhere; docs/vectors/elementary.json publishes values.
 */

// fdlibm's split of ln 2: the high part has 32 significant bits, so k * LN2_HIGH is exact for |k| < 2^20.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const SQRT_HALF = Math.sqrt(0.5);

const scratch = new DataView(new ArrayBuffer(8));

/** 2^k for an integer k in [-1022, 1023], by its bits. */
function powerOfTwo(k: number): number {
  scratch.setUint32(0, (k + 1023) << 20);
  scratch.setUint32(4, 0);
  return scratch.getFloat64(0);
}

/**
 * e^x, within one unit in the last place.
 * @param x in [-700, 700], so that nothing is subnormal; anything else is a RangeError.
 */
export function exp(x: number): number {
  if (!(x >= -700 && x <= 700)) throw new RangeError(`exp: ${x} is not in [-700, 700]`);
  const k = Math.floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  // Taylor's series by Horner's rule: |r| <= 0.347, so r^15 / 15! is below 2^-62.
  let sum = 1;
  for (let n = 14; n >= 1; n--) sum = 1 + (r * sum) / n;
  return sum * powerOfTwo(k);
}

/**
 * The natural logarithm, within two units in the last place.
 * @param x a normal positive double; anything else is a RangeError.
 */
export function log(x: number): number {
  if (!(x >= 2.2250738585072014e-308 && x < Infinity)) {
    throw new RangeError(`log: ${x} is not a normal positive number`);
  }
  scratch.setFloat64(0, x);
  const high = scratch.getUint32(0);
  let k = (high >>> 20) - 1023;
  scratch.setUint32(0, (high & 0xfffff) | (1022 << 20));
  let m = scratch.getFloat64(0);
  // m is in [0.5, 1); bring it to [sqrt(1/2), sqrt(2)), where the series is shortest.
  if (m < SQRT_HALF) m *= 2;
  else k += 1;
  // log m = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...); s^2 <= 0.0295, so 12 terms reach below 2^-60.
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let sum = 0;
  for (let n = 23; n >= 3; n -= 2) sum = z * (1 / n + sum);
  return k * LN2_HIGH + (2 * s + (2 * s * sum + k * LN2_LOW));
}
