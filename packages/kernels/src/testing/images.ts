import fc from 'fast-check';
import { expect } from 'vitest';
import { PixelKernels } from '../pixel-kernels.js';
import type { Pixels } from '../types.js';
import type { Backend } from '../wasm-module.js';

type Style = 'noise' | 'extremes' | 'smooth';

/** Deterministic pixels: noise, extreme levels with grey pixels among them, or gradients. */
export function makePixels(width: number, height: number, style: Style, seed: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let state = seed | 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
  const levels = [0, 1, 127, 128, 254, 255];
  for (let i = 0; i < data.length; i++) {
    if (style === 'noise') data[i] = next();
    else if (style === 'smooth') data[i] = (i / width + (next() >> 5)) & 255;
    else data[i] = i % 3 > 0 && next() < 64 ? data[i - 1]! : levels[next() % levels.length]!;
  }
  return { width, height, data };
}

/** Images of every small size, single pixels, rows and columns among them. */
export function images(maxSide = 40): fc.Arbitrary<Pixels> {
  const side = fc.oneof(
    { weight: 1, arbitrary: fc.constant(1) },
    { weight: 4, arbitrary: fc.integer({ min: 1, max: maxSide }) },
  );
  return fc
    .record({
      width: side,
      height: side,
      style: fc.constantFrom<Style>('noise', 'extremes', 'smooth'),
      seed: fc.integer({ min: 0, max: 2 ** 30 }),
    })
    .map(({ width, height, style, seed }) => makePixels(width, height, style, seed));
}

/** Numbers at, beside and between the points where a blend changes its nature. */
export function factors(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(0, 1, 0.5, 1 + 2 ** -23, 1 - 2 ** -24, -1, 1e-30, 1e30, -1e30, 1023.5, 1e4),
    fc.double({ min: 0, max: 2, noNaN: true }),
    fc.double({ min: -50, max: 50, noNaN: true }),
  );
}

/** What tests hold to the oracles. */
export let kernels = PixelKernels.create();

/** Lets the tests of a file hold another backend to them. */
export function use(backend: Backend): void {
  kernels = PixelKernels.create(backend);
}

/** Makes `image` the source; its fourth bytes are noise, which nothing may see. */
export function load(image: Pixels, into: PixelKernels = kernels): void {
  const source = into.allocateSource(image.width, image.height);
  for (let i = 0; i < image.width * image.height; i++) {
    source.set(image.data.subarray(3 * i, 3 * i + 3), 4 * i);
    source[4 * i + 3] = (i * 89) & 255;
  }
  into.begin();
}

export function expectEqual(actual: Pixels, expected: Pixels): void {
  expect([actual.width, actual.height]).toEqual([expected.width, expected.height]);
  const index = actual.data.findIndex((value, i) => value !== expected.data[i]);
  const at = (pixels: Pixels) => ({ index, pixel: Math.trunc(index / 3), value: pixels.data[index] });
  expect(at(actual)).toEqual(at(expected));
}

/** Holds an operation equal to its oracle on a source, and again on a working image that is no source any more. */
export function expectOracle(image: Pixels, apply: () => void, oracle: (image: Pixels) => Pixels): void {
  const expected = oracle(image);
  load(image);
  apply();
  expectEqual(kernels.readPixels(), expected);
  kernels.writePixels(image);
  apply();
  expectEqual(kernels.readPixels(), expected);
}
