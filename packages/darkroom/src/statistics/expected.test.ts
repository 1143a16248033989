import { expect, test } from 'vitest';
import { expectedDensities } from './expected.js';

const RATIO: [number, number] = [3 / 4, 4 / 3];

function mass(density: (value: number) => number, [lo, hi]: readonly [number, number]): number {
  const steps = 2000;
  const step = (hi - lo) / steps;
  return (
    Array.from({ length: steps }, (_, i) => density(lo + (i + 0.5) * step)).reduce((a, b) => a + b) * step
  );
}

test('both densities have a mass of one, over images of any mix of sizes', () => {
  const sizes = [
    { width: 500, height: 375, count: 3 },
    { width: 281, height: 500, count: 1 },
  ];
  const scale: [number, number] = [0.4, 1];
  const expected = expectedDensities(sizes, { scale, ratio: RATIO });
  expect(mass(expected.scale, scale)).toBeCloseTo(1, 3);
  expect(mass(expected.ratio, RATIO)).toBeCloseTo(1, 3);
});

test('where every box fits they are the configured ones: uniform, and uniform in the logarithm', () => {
  const scale: [number, number] = [0.05, 0.4];
  const expected = expectedDensities([{ width: 400, height: 400, count: 1 }], { scale, ratio: RATIO });
  expect(expected.scale(0.2)).toBeCloseTo(1 / 0.35, 6);
  expect(expected.ratio(1.1)).toBeCloseTo(1 / (1.1 * Math.log(RATIO[1] / RATIO[0])), 3);
});

test('a whole square image is only fitted by ratio 1', () => {
  const { scale } = expectedDensities([{ width: 100, height: 100, count: 1 }], {
    scale: [0.5, 1],
    ratio: RATIO,
  });
  expect(scale(1)).toBeCloseTo(0, 9);
  expect(scale(0.6)).toBeGreaterThan(scale(0.9));
});
