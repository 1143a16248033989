import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reference } from './index.js';
import { images, kernels, load, makePixels } from './testing/images.js';
import type { Dtype, Layout, PackFormat } from './types.js';

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

describe('pack', () => {
  const formats: fc.Arbitrary<PackFormat> = fc
    .record({
      dtype: fc.constantFrom<Dtype>('uint8', 'float32', 'float16', 'bfloat16'),
      layout: fc.constantFrom<Layout>('nchw', 'nhwc'),
      normalized: fc.boolean(),
    })
    .map(({ normalized, ...rest }) => (normalized ? { ...rest, normalization: IMAGENET } : rest));

  it('equals the oracle and writes nothing else', () => {
    fc.assert(
      fc.property(images(120), formats, fc.nat(9), (image, format, offset) => {
        load(image);
        const expected = reference.pack(image, format);
        const target = new Uint8Array(new SharedArrayBuffer(offset + expected.length + 5)).fill(77);
        expect(kernels.pack(target, offset, format)).toBe(expected.length);
        expect(Buffer.compare(target.slice(offset, offset + expected.length), expected)).toBe(0);
        const beside = [...target.subarray(0, offset), ...target.subarray(offset + expected.length)];
        expect(beside.every((byte) => byte === 77)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('gives the floats of ToTensor and Normalize', () => {
    kernels.writePixels({ width: 1, height: 1, data: Uint8Array.of(0, 128, 255) });
    const out = new Float32Array(3);
    kernels.pack(new Uint8Array(out.buffer), 0, {
      dtype: 'float32',
      layout: 'nchw',
      normalization: IMAGENET,
    });
    const f = Math.fround;
    const at = (v: number, c: 0 | 1 | 2) => f(f(f(v / 255) - f(IMAGENET.mean[c])) / f(IMAGENET.std[c]));
    expect([...out]).toEqual([at(0, 0), at(128, 1), at(255, 2)]);
  });

  it('refuses a target without room and a format that is none', () => {
    load(makePixels(4, 4, 'noise', 1));
    const target = new Uint8Array(50);
    const format = { dtype: 'uint8', layout: 'nchw' } as const;
    expect(() => kernels.pack(target, 3, format)).toThrow(/offset is 3, but 48 bytes/);
    expect(() => kernels.pack(target, -1, format)).toThrow(RangeError);
    expect(() => kernels.pack(target, 0, { ...format, dtype: 'int8' as Dtype })).toThrow(/dtype is int8/);
    expect(() => kernels.pack(target, 0, { ...format, layout: 'chw' as Layout })).toThrow(/layout is chw/);
    const normalization = { mean: [0, 0, 0], std: [1, 0, 1] } as const;
    expect(() => kernels.pack(target, 0, { ...format, normalization })).toThrow(/std\[1\] is 0/);
  });
});

describe('float16Bits', () => {
  it.each([
    [0, 0],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [2 ** -25 * 1.001, 1],
    [2 ** -14, 0x0400],
    [2 ** -14 - 2 ** -26, 0x0400],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])('of %d', (value, bits) => {
    expect(reference.float16Bits(value)).toBe(bits);
  });
});

describe('bfloat16Bits', () => {
  it.each([
    [1, 0x3f80],
    [-1, 0xbf80],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [1 + 2 ** -8 + 2 ** -20, 0x3f81],
    [3.3895313892515355e38, 0x7f7f],
    [3.4e38, 0x7f80],
  ])('of %d', (value, bits) => {
    expect(reference.bfloat16Bits(value)).toBe(bits);
  });
});
