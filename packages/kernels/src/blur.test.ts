import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reference } from './index.js';
import { expectOracle, images, kernels, load, makePixels } from './testing/images.js';

describe('gaussianBlur', () => {
  const sigmas = fc.oneof(
    fc.constantFrom(0, 1e-20, 1e-4, 0.1, 2, 300),
    fc.double({ min: 0, max: 2, noNaN: true }),
    fc.double({ min: 2, max: 60, noNaN: true }),
  );

  it('equals the oracle for any sigma', () => {
    fc.assert(
      fc.property(images(), sigmas, (image, sigma) => {
        expectOracle(
          image,
          () => kernels.gaussianBlur(sigma),
          (x) => reference.gaussianBlur(x, sigma),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('equals the oracle at its largest sigma', () => {
    expectOracle(
      makePixels(2, 3, 'noise', 4),
      () => kernels.gaussianBlur(2 ** 20),
      (x) => reference.gaussianBlur(x, 2 ** 20),
    );
  });

  it('leaves the image as it is at sigma 0', () => {
    const image = makePixels(17, 5, 'noise', 2);
    expectOracle(
      image,
      () => kernels.gaussianBlur(0),
      () => image,
    );
  });

  it.each([-0.1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 21])('refuses sigma %d', (sigma) => {
    load(makePixels(2, 2, 'noise', 1));
    expect(() => kernels.gaussianBlur(sigma)).toThrow(`sigma is ${sigma}`);
  });
});

describe('gaussianBlurKernel', () => {
  it('equals the oracle for any sigma and kernel size', () => {
    const sigmas = fc.oneof(fc.constantFrom(1e-5, 0.1, 2, 100), fc.double({ min: 0.1, max: 5, noNaN: true }));
    fc.assert(
      fc.property(images(), sigmas, fc.nat(15), (image, sigma, half) => {
        const radius = Math.min(half, image.width - 1, image.height - 1);
        expectOracle(
          image,
          () => kernels.gaussianBlurKernel(sigma, 2 * radius + 1),
          (x) => reference.gaussianBlurKernel(x, sigma, 2 * radius + 1),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('refuses what cannot be reflected, as torchvision does', () => {
    load(makePixels(4, 20, 'noise', 1));
    expect(() => kernels.gaussianBlurKernel(1, 9)).toThrow(/needs an image larger .* 4 x 20/);
    expect(() => kernels.gaussianBlurKernel(1, 4)).toThrow('kernelSize is 4');
    expect(() => kernels.gaussianBlurKernel(0, 3)).toThrow('sigma is 0');
  });

  it('has weights that sum to one', () => {
    for (const [sigma, size] of [
      [0.1, 9],
      [2, 9],
      [7, 31],
    ] as const) {
      const [centre, ...rest] = reference.kernelWeights(sigma, size);
      expect(rest.reduce((sum, weight) => sum + 2 * weight, centre!)).toBeCloseTo(1, 6);
    }
  });
});
