import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reference } from './index.js';
import { expectEqual, expectOracle, images, kernels, load, makePixels } from './testing/images.js';
import type { Interpolation } from './types.js';

const interpolations = fc.constantFrom<Interpolation>('bicubic', 'bilinear');
const side = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 70 }));

describe('resize', () => {
  it('equals the oracle for any sizes', () => {
    fc.assert(
      fc.property(images(), side, side, interpolations, (image, width, height, interpolation) => {
        expectOracle(
          image,
          () => kernels.resize(width, height, interpolation),
          (x) => reference.resize(x, width, height, interpolation),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('skips an axis that keeps its size', () => {
    fc.assert(
      fc.property(images(), side, fc.boolean(), interpolations, (image, size, isWidth, interpolation) => {
        const width = isWidth ? size : image.width;
        const height = isWidth ? image.height : size;
        expectOracle(
          image,
          () => kernels.resize(width, height, interpolation),
          (x) => reference.resize(x, width, height, interpolation),
        );
      }),
    );
  });

  it('never sees pixels outside the crop', () => {
    const unit = fc.double({ min: 0, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(images(60), unit, unit, unit, unit, interpolations, (image, a, b, c, d, interpolation) => {
        const x = Math.floor(a * image.width);
        const y = Math.floor(b * image.height);
        const width = 1 + Math.floor(c * (image.width - x));
        const height = 1 + Math.floor(d * (image.height - y));
        const box = { x, y, width, height };
        load(image);
        kernels.crop(box);
        kernels.resize(24, 17, interpolation);
        expectEqual(
          kernels.readPixels(),
          reference.resize(reference.crop(image, box), 24, 17, interpolation),
        );
      }),
    );
  });

  it.each([
    [5000, 3, 7, 5],
    [3, 5000, 5, 7],
    [20000, 2, 1, 1],
    [2, 20000, 1, 1],
    [1, 1, 300, 200],
    [2, 3, 500, 1],
    [300, 200, 299, 201],
  ])('is exact at extreme ratios: %i x %i to %i x %i', (width, height, toWidth, toHeight) => {
    for (const interpolation of ['bicubic', 'bilinear'] as const) {
      for (const style of ['noise', 'extremes'] as const) {
        expectOracle(
          makePixels(width, height, style, 7),
          () => kernels.resize(toWidth, toHeight, interpolation),
          (x) => reference.resize(x, toWidth, toHeight, interpolation),
        );
      }
    }
  });

  it('serves many views of one source, in any order', () => {
    const image = makePixels(90, 70, 'noise', 3);
    load(image);
    for (const [x, y, width, height] of [
      [50, 40, 30, 20],
      [0, 0, 90, 70],
      [3, 60, 80, 10],
      [89, 0, 1, 70],
    ] as const) {
      const box = { x, y, width, height };
      kernels.begin();
      kernels.crop(box);
      kernels.resize(32, 32, 'bicubic');
      expectEqual(kernels.readPixels(), reference.resize(reference.crop(image, box), 32, 32, 'bicubic'));
    }
  });

  it('refuses sizes and filters that are none', () => {
    load(makePixels(4, 4, 'noise', 1));
    expect(() => kernels.resize(0, 4, 'bicubic')).toThrow(/size is 0 x 4/);
    expect(() => kernels.resize(4, 2.5, 'bicubic')).toThrow(RangeError);
    expect(() => kernels.resize(4, Number.NaN, 'bicubic')).toThrow(RangeError);
    expect(() => kernels.resize(2, 2, 'lanczos' as Interpolation)).toThrow(/interpolation is lanczos/);
  });
});
