import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reference } from './index.js';
import { expectEqual, expectOracle, factors, images, kernels, load, makePixels } from './testing/images.js';

describe.each(['brightness', 'contrast', 'saturation'] as const)('%s', (operation) => {
  it('equals the oracle for any factor', () => {
    fc.assert(
      fc.property(images(), factors(), (image, factor) => {
        expectOracle(
          image,
          () => kernels[operation](factor),
          (x) => reference[operation](x, factor),
        );
      }),
      { numRuns: 300 },
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e39])('refuses the factor %d', (factor) => {
    load(makePixels(2, 2, 'noise', 1));
    expect(() => kernels[operation](factor)).toThrow(`${operation} is ${factor}`);
  });
});

describe('contrast', () => {
  it('counts every pixel of a large image once', () => {
    const image = makePixels(1500, 1401, 'smooth', 5);
    expectOracle(
      image,
      () => kernels.contrast(0.5),
      (x) => reference.contrast(x, 0.5),
    );
  });
});

describe('grayscale', () => {
  it('equals the oracle', () => {
    fc.assert(
      fc.property(images(), (image) => expectOracle(image, () => kernels.grayscale(), reference.grayscale)),
    );
  });
});

describe('hue', () => {
  it('equals the oracle for any factor', () => {
    const factor = fc.oneof(fc.constantFrom(-0.5, 0, 0.5), fc.double({ min: -0.5, max: 0.5, noNaN: true }));
    fc.assert(
      fc.property(images(), factor, (image, shift) => {
        expectOracle(
          image,
          () => kernels.hue(shift),
          (x) => reference.hue(x, shift),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('equals the oracle on a slice of all colours; scripts/prove-hue.mjs tries the rest', () => {
    const side = 512;
    const data = new Uint8Array(side * side * 3);
    for (let i = 0; i < side * side; i++) data.set([(i >> 12) * 4, (i >> 6) * 4, i * 4], i * 3);
    const image = { width: side, height: side, data };
    load(image);
    kernels.hue(0.07);
    expectEqual(kernels.readPixels(), reference.hue(image, 0.07));
  });

  it('refuses more than half a turn', () => {
    load(makePixels(2, 2, 'noise', 1));
    expect(() => kernels.hue(0.51)).toThrow('hue is 0.51');
  });
});

describe('solarize', () => {
  it('equals the oracle for any threshold', () => {
    const thresholds = fc.oneof(
      fc.constantFrom(0, 1, 127.5, 128, 255, 255.5, 256),
      fc.double({ min: 0, max: 256, noNaN: true }),
    );
    fc.assert(
      fc.property(images(), thresholds, (image, threshold) => {
        expectOracle(
          image,
          () => kernels.solarize(threshold),
          (x) => reference.solarize(x, threshold),
        );
      }),
    );
  });

  it('refuses thresholds outside [0, 256]', () => {
    load(makePixels(2, 2, 'noise', 1));
    expect(() => kernels.solarize(257)).toThrow('threshold is 257');
    expect(() => kernels.solarize(-1)).toThrow(RangeError);
  });
});
