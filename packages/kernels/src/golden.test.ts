import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { reference } from './index.js';
import { expectEqual, kernels, load } from './testing/images.js';
import type { Interpolation, Pixels } from './types.js';

interface Stored {
  readonly width: number;
  readonly height: number;
  readonly offset: number;
}

interface Result extends Stored {
  readonly image: string;
  readonly operation: string;
  readonly arguments: [number, number, Interpolation];
}

const file = (name: string) => readFileSync(new URL(`golden/${name}`, import.meta.url));
const golden: { pillow: string; images: Record<string, Stored>; results: Result[] } = JSON.parse(
  file('pillow.json').toString(),
);
const blob = file('pillow.bin');

function stored({ width, height, offset }: Stored): Pixels {
  return { width, height, data: new Uint8Array(blob.subarray(offset, offset + width * height * 3)) };
}

const OPERATIONS = [
  'resize',
  'grayscale',
  'gaussianBlur',
  'gaussianBlurKernel',
  'brightness',
  'contrast',
  'saturation',
  'hue',
  'solarize',
] as const;

describe(`results of Pillow ${golden.pillow}`, () => {
  it('cover every operation', () => {
    expect(new Set(golden.results.map(({ operation }) => operation))).toEqual(new Set(OPERATIONS));
  });

  it.each(OPERATIONS)('%s', (operation) => {
    for (const result of golden.results.filter((one) => one.operation === operation)) {
      const image = stored(golden.images[result.image]!);
      const expected = stored(result);
      load(image);
      (kernels[operation] as (...args: unknown[]) => void)(...result.arguments);
      const oracle = reference[operation] as (image: Pixels, ...args: unknown[]) => Pixels;
      for (const actual of [kernels.readPixels(), oracle(image, ...result.arguments)]) {
        if (operation !== 'gaussianBlurKernel') expectEqual(actual, expected);
        else {
          const levels = actual.data.map((value, i) => Math.abs(value - expected.data[i]!));
          expect(Math.max(...levels)).toBeLessThanOrEqual(1);
          expect(levels.filter((level) => level > 0).length).toBeLessThanOrEqual(levels.length / 500);
        }
      }
    }
  });
});
