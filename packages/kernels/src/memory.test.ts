import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { KernelMemoryError, PixelKernels, reference } from './index.js';
import { expectEqual, makePixels } from './testing/images.js';

/** Its types come with TypeScript's `dom`, which has no place here. */
declare const WebAssembly: { readonly Memory: { prototype: { grow(pages: number): number } } };

describe('PixelKernels', () => {
  it('keeps its memory flat over sources of every size, and gives a giant one back', () => {
    const kernels = PixelKernels.create();
    const use = (width: number, height: number) => {
      kernels.allocateSource(width, height).fill(width & 255);
      kernels.begin();
      kernels.resize(64, 64, 'bicubic');
      kernels.gaussianBlur(1);
    };
    for (let i = 0; i < 300; i++) use(1 + ((i * 7919) % 600), 1 + ((i * 104729) % 600));
    const held = kernels.memoryBytes;
    for (let i = 0; i < 1000; i++) use(1 + ((i * 7919) % 600), 1 + ((i * 104729) % 600));
    expect(kernels.memoryBytes).toBe(held);
    use(4000, 3000);
    expect(kernels.memoryBytes).toBeGreaterThan(12e6 * 7);
    kernels.trim(64e6);
    expect(kernels.memoryBytes).toBeLessThan(1e6);
    expect(kernels.sourceWidth).toBe(0);
    expect(() => kernels.width).toThrow(/begin/);
    use(10, 10);
    expect(kernels.width).toBe(64);
  });

  it('works on after an image that does not fit', () => {
    const kernels = PixelKernels.create();
    const image = makePixels(1, 70000, 'noise', 1);
    kernels.writePixels(image);
    const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(() => {
      throw new RangeError('the machine has no more');
    });
    onTestFinished(() => grow.mockRestore());
    expect(() => kernels.resize(512, 1, 'bicubic')).toThrow(KernelMemoryError);
    grow.mockRestore();
    expectEqual(kernels.readPixels(), image);
    kernels.resize(3, 2, 'bicubic');
    expectEqual(kernels.readPixels(), reference.resize(image, 3, 2, 'bicubic'));
  });

  it('refuses sizes beyond its limits before it allocates', () => {
    const kernels = PixelKernels.create();
    expect(() => kernels.allocateSource(0, 5)).toThrow(/source is 0 x 5/);
    expect(() => kernels.allocateSource(2 ** 25, 1)).toThrow(RangeError);
    expect(() => kernels.allocateSource(2 ** 15, 2 ** 14)).toThrow(/at most 268435456 pixels/);
    expect(() => kernels.writePixels({ width: 2, height: 2, data: new Uint8Array(11) })).toThrow(/11 bytes/);
    expect(() => kernels.begin()).toThrow(/allocateSource/);
    expect(kernels.memoryBytes).toBeLessThan(1e6);
  });

  it('holds instances apart', () => {
    const [one, two] = [PixelKernels.create(), PixelKernels.create()];
    const [a, b] = [makePixels(5, 6, 'noise', 1), makePixels(6, 5, 'noise', 2)];
    one.writePixels(a);
    two.writePixels(b);
    expectEqual(one.readPixels(), a);
    expectEqual(two.readPixels(), b);
  });
});
