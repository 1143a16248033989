import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KernelLimitError, PixelKernels, reference } from './index.js';
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

  it('makes only what a crop after it keeps, with the same pixels', () => {
    const unit = fc.double({ min: 0, max: 0.999, noNaN: true });
    const size = fc.tuple(side, side);
    const where = fc.tuple(unit, unit, unit, unit);
    fc.assert(
      fc.property(
        images(40),
        size,
        where,
        interpolations,
        (image, [width, height], [a, b, c, d], interpolation) => {
          // From wholly before the image's edge to wholly beyond it, always overlapping.
          const kept = { width: 1 + Math.floor(c * 2 * width), height: 1 + Math.floor(d * 2 * height) };
          const x = 1 - kept.width + Math.floor(a * (width + kept.width - 1));
          const y = 1 - kept.height + Math.floor(b * (height + kept.height - 1));
          expectOracle(
            image,
            () => kernels.resize(width, height, interpolation, { x, y, ...kept }),
            (pixels) =>
              reference.crop(reference.resize(pixels, width, height, interpolation), { x, y, ...kept }),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps a window of a size that nobody could hold', () => {
    const image = makePixels(1, 16_000, 'noise', 5);
    const own = PixelKernels.create();
    load(image, own);
    // Every 256 rows are one source pixel: the window stands around the edge of pixels 7,999 and 8,000.
    own.resize(256, 4_096_000, 'bilinear', { x: 16, y: 2_047_872, width: 224, height: 256 });
    const { width, height, data } = own.readPixels();
    expect([width, height]).toEqual([224, 256]);
    const [above, below] = [7999, 8000].map((row) => [...image.data.subarray(row * 3, row * 3 + 3)]);
    // Bilinear, half a pixel off: 127/128 of one and 1/128 of the other at the ends.
    const mix = (from: number[], to: number[]) =>
      from.map((level, i) => Math.floor((level * 511 + (to[i] ?? 0) * 1) / 512 + 0.5));
    expect([...data.subarray(0, 3)]).toEqual(mix(above!, below!));
    expect([...data.subarray(-3)]).toEqual(mix(below!, above!));
    expect(own.memoryBytes).toBeLessThan(8 * 1024 * 1024);
  });

  it('says that an image is too long for its passes before it takes memory', () => {
    const own = PixelKernels.create();
    own.allocateSource(1, 2_000_000);
    own.begin();
    const before = own.memoryBytes;
    expect(() => own.resize(224, 224, 'bicubic')).toThrow(KernelLimitError);
    expect(own.memoryBytes).toBeLessThan(before + 1024 * 1024);
  });

  it('refuses sizes and filters that are none', () => {
    load(makePixels(4, 4, 'noise', 1));
    expect(() => kernels.resize(0, 4, 'bicubic')).toThrow(/size is 0 x 4/);
    expect(() => kernels.resize(4, 2.5, 'bicubic')).toThrow(RangeError);
    expect(() => kernels.resize(4, Number.NaN, 'bicubic')).toThrow(RangeError);
    expect(() => kernels.resize(2, 2, 'lanczos' as Interpolation)).toThrow(/interpolation is lanczos/);
  });
});
