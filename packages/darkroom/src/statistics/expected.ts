/** How many samples have an image of that size. */
export interface SizeCount {
  readonly width: number;
  readonly height: number;
  readonly count: number;
}

type Range = readonly [number, number];
type Density = (value: number) => number;

const STEPS = 400;

/** The integral of `f` over a range, by the midpoint rule. */
function integral(f: Density, [lo, hi]: Range): number {
  const step = (hi - lo) / STEPS;
  let sum = 0;
  for (let i = 0; i < STEPS; i++) sum += f(lo + (i + 0.5) * step);
  return sum * step;
}

/** Densities that are normalised each by itself and then averaged, weighted by how many images have them. */
function average(parts: readonly { readonly count: number; readonly f: Density }[], range: Range): Density {
  const weighted = parts.flatMap(({ count, f }) => {
    const whole = integral(f, range);
    return whole > 0 ? [{ weight: count / whole, f }] : [];
  });
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  return (value) => weighted.reduce((sum, { weight, f }) => sum + weight * f(value), 0) / Math.max(1, total);
}

/**
 * The densities of scale and ratio that torchvision's procedure gives on images of these sizes: scale uniform,
 * log ratio uniform, and a box that does not fit drawn again. A box of scale s and ratio r fits an image W x H
 * where s W/H <= r <= W/(s H); so, given s, with a probability that is the share of log ratios between these
 * bounds; given r, of scales up to min(r H/W, W/(r H)). The centred box after ten misses is left out.
 */
export function expectedDensities(
  sizes: readonly SizeCount[],
  { scale, ratio }: { readonly scale: Range; readonly ratio: Range },
): { readonly scale: Density; readonly ratio: Density } {
  const [logLow, logHigh] = [Math.log(ratio[0]), Math.log(ratio[1])];
  const fitsScale = (aspect: number): Density => {
    const middle = Math.log(aspect);
    return (s) => {
      const reach = -Math.log(s);
      return Math.max(0, Math.min(logHigh, middle + reach) - Math.max(logLow, middle - reach));
    };
  };
  const fitsRatio = (aspect: number): Density => {
    return (r) => Math.max(0, Math.min(scale[1], r / aspect, aspect / r) - scale[0]) / r;
  };
  const parts = (fits: (aspect: number) => Density) =>
    sizes.map(({ width, height, count }) => ({ count, f: fits(width / height) }));
  return { scale: average(parts(fitsScale), scale), ratio: average(parts(fitsRatio), ratio) };
}
