import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reference } from './index.js';
import { expectEqual, expectOracle, images, kernels, load, makePixels } from './testing/images.js';

describe('crop', () => {
  const corner = fc.integer({ min: -50, max: 50 });
  const side = fc.integer({ min: 1, max: 60 });

  it('equals the oracle for any box, zero outside the image', () => {
    fc.assert(
      fc.property(images(), corner, corner, side, side, (image, x, y, width, height) => {
        expectOracle(
          image,
          () => kernels.crop({ x, y, width, height }),
          (source) => reference.crop(source, { x, y, width, height }),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('composes: a crop of a crop, resized and flipped', () => {
    const image = makePixels(50, 40, 'noise', 9);
    load(image);
    kernels.crop({ x: 10, y: 5, width: 30, height: 30 });
    kernels.crop({ x: -3, y: 4, width: 20, height: 40 });
    kernels.crop({ x: 1, y: 1, width: 18, height: 30 });
    kernels.resize(13, 21, 'bilinear');
    kernels.flipHorizontal();
    let expected = reference.crop(image, { x: 10, y: 5, width: 30, height: 30 });
    expected = reference.crop(expected, { x: -3, y: 4, width: 20, height: 40 });
    expected = reference.crop(expected, { x: 1, y: 1, width: 18, height: 30 });
    expected = reference.flipHorizontal(reference.resize(expected, 13, 21, 'bilinear'));
    expectEqual(kernels.readPixels(), expected);
  });

  it('refuses boxes that are none', () => {
    load(makePixels(4, 4, 'noise', 1));
    expect(() => kernels.crop({ x: 0, y: 0, width: 0, height: 2 })).toThrow(/box is 0 x 2/);
    expect(() => kernels.crop({ x: 0.5, y: 0, width: 1, height: 2 })).toThrow(/box.x is 0.5/);
  });
});

describe('flipHorizontal', () => {
  it('equals the oracle', () => {
    fc.assert(
      fc.property(images(), (image) =>
        expectOracle(image, () => kernels.flipHorizontal(), reference.flipHorizontal),
      ),
    );
  });
});
