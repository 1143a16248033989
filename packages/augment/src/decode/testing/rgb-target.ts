import type { PixelTarget } from '../types.js';

/** Takes decoded pixels in place of the kernels, for tests and scripts. */
export class RgbTarget implements PixelTarget {
  width = 0;
  height = 0;
  pixels = new Uint8Array(0);

  allocateSource(width: number, height: number): Uint8Array {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height * 4);
    return this.pixels;
  }

  /** The pixels as tightly packed RGB, as Pillow's `Image.tobytes` gives them. */
  rgb(): Uint8Array {
    const count = this.width * this.height;
    const out = new Uint8Array(count * 3);
    for (let i = 0, from = 0, to = 0; i < count; i++, from += 4) {
      out[to++] = this.pixels[from]!;
      out[to++] = this.pixels[from + 1]!;
      out[to++] = this.pixels[from + 2]!;
    }
    return out;
  }
}
