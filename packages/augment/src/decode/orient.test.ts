import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadRawInto, type Orientation } from './index.js';
import { RgbTarget } from './testing/rgb-target.js';

/** Turns a picture of numbered pixels and gives the numbers. */
function turn(width: number, height: number, orientation: Orientation) {
  const data = Uint8Array.from({ length: width * height }, (_, i) => i);
  const target = new RgbTarget();
  loadRawInto({ width, height, channels: 1, model: 'gray', orientation, data }, target);
  const pixels = Array.from({ length: width * height }, (_, i) => target.pixels[4 * i]!);
  return { width: target.width, height: target.height, pixels };
}

it('turns 2 x 3 pixels as PIL.ImageOps.exif_transpose does', () => {
  const turned = ([1, 2, 3, 4, 5, 6, 7, 8] as const).map((orientation) =>
    turn(2, 3, orientation).pixels.join(''),
  );
  expect(turned).toEqual(['012345', '103254', '543210', '452301', '024135', '420531', '531420', '135024']);
});

it('keeps every pixel, and exchanges the sides from 5 on', () => {
  const sides = fc.integer({ min: 1, max: 15 });
  const orientations = fc.integer({ min: 1, max: 8 }) as fc.Arbitrary<Orientation>;
  fc.assert(
    fc.property(sides, sides, orientations, (width, height, orientation) => {
      const turned = turn(width, height, orientation);
      expect([turned.width, turned.height]).toEqual(orientation < 5 ? [width, height] : [height, width]);
      expect(turned.pixels.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: width * height }, (_, i) => i),
      );
    }),
  );
});
