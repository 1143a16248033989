/**
 * e^x for x <= 0, the same bits in every engine: `Math.exp` differs in its last bit between builds. As
 * (e^(x / 2^n))^(2^n), a Taylor series with |x / 2^n| <= 2^-4; relative error below 1e-12, far under an f32's. (The
 * sampling's `exp` is another: published to the bit, over other numbers, and it refuses what would be subnormal.)
 */
export function exponential(x: number): number {
  if (x < -745) return 0;
  let small = x;
  let halvings = 0;
  while (small < -0.0625) {
    small /= 2;
    halvings++;
  }
  let result = 1;
  for (let n = 12; n > 0; n--) result = 1 + (small * result) / n;
  for (; halvings > 0; halvings--) result *= result;
  return result;
}
