/**
 * Tail probabilities of the statistics that the order's tests compute, so that every bound follows from
 * the statistic's own distribution. For tests alone.
 */

/** ln Gamma(x) for x > 0, by Lanczos' approximation (g = 7, n = 9): about 15 digits. */
function logGamma(x: number): number {
  const c = [
    0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406,
    12.507343278686905, -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  const sum = c.slice(1).reduce((total, value, i) => total + value / (x + i), c[0] as number);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularised upper incomplete gamma function Q(a, x): by its series below a + 1, else its continued fraction. */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; term > sum * 1e-15; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - scale * sum;
  }
  // Lentz' method.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1, change = 0; Math.abs(change - 1) > 1e-15 && n < 1e6; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    change = d * c;
    fraction *= change;
  }
  return scale * fraction;
}

/** Two-sided p-value of a chi-square statistic: small when too large and when too small to be chance. */
export function chiSquareP(statistic: number, degrees: number): number {
  const upper = upperGamma(degrees / 2, statistic / 2);
  return 2 * Math.min(upper, 1 - upper, 0.5);
}

/** Two-sided p-value of a Poisson count. */
export function poissonP(count: number, mean: number): number {
  const atMost = upperGamma(count + 1, mean);
  const atLeast = count === 0 ? 1 : 1 - upperGamma(count, mean);
  return Math.min(1, 2 * Math.min(atMost, atLeast));
}

/** Pearson's chi-square of counts that should all be equal; degrees of freedom: counts.length - 1. */
export function uniformP(counts: ArrayLike<number>): number {
  const all = Array.from(counts);
  const expected = all.reduce((sum, count) => sum + count, 0) / all.length;
  const statistic = all.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return chiSquareP(statistic, all.length - 1);
}
