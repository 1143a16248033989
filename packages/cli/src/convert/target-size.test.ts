import { expect, test } from 'vitest';
import { targetSize } from './target-size.js';

/** Sizes that torchvision 0.28's `Resize(256, max_size=512)` gave. */
test.each([
  [500, 375, 341, 256],
  [375, 500, 256, 341],
  [1024, 1024, 256, 256],
  [2000, 500, 512, 128],
  [500, 2000, 128, 512],
  [3001, 257, 512, 43],
  [900, 200, 512, 113],
])('%i x %i becomes %i x %i', (width, height, newWidth, newHeight) => {
  const target = targetSize({ width, height }, { shortSide: 256, longSide: 512 });
  expect(target).toEqual({ width: newWidth, height: newHeight });
});

test('an image that would not become smaller stays as it is', () => {
  const limits = { shortSide: 256, longSide: 512 };
  for (const [width, height] of [
    [256, 256],
    [256, 512],
    [512, 256],
    [200, 300],
    [1, 1],
  ] as const) {
    expect(targetSize({ width, height }, limits)).toBeNull();
  }
});

test('without a limit of the long side, the short side alone decides', () => {
  expect(targetSize({ width: 2000, height: 500 }, { shortSide: 256 })).toEqual({ width: 1024, height: 256 });
});

test('a thread of pixels keeps one', () => {
  expect(targetSize({ width: 60_000, height: 1 }, { shortSide: 1, longSide: 4 })).toEqual(null);
  expect(targetSize({ width: 60_000, height: 3 }, { shortSide: 2, longSide: 4 })).toEqual({
    width: 4,
    height: 1,
  });
});
