import { type Arena, Region } from './arena.js';
import type { Planes } from './planes.js';
import { boxWeights } from './reference/gaussian-blur.js';
import { kernelWeights } from './reference/kernel-blur.js';

const PASSES = 3;
/** Of scratch for each pixel of a side, and pixels more: AVX-512 takes the most, two strips of 32 columns in words. */
const LINE_BYTES = 128;
const MARGIN = 64;

/** The two Gaussian blurs; each needs a second image of the same size. */
export class Blurs {
  readonly #arena: Arena;
  readonly #scratch: Region;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#scratch = new Region(arena);
  }

  /** Pillow's, in place; `other` is scratch. */
  box(image: Planes, other: Planes, sigma: number): void {
    const { kernels } = this.#arena;
    const { width, height } = image;
    const { radius, inner, outer } = boxWeights(sigma);
    const scratch = radius <= 1 ? this.#scratch.reserve(LINE_BYTES * (Math.max(width, height) + MARGIN)) : 0;
    for (let channel = 0; channel < 3; channel++) {
      let from = image.address + channel * image.plane;
      let to = other.address + channel * other.plane;
      if (radius <= 1) {
        kernels.smallBlur(from, to, width, height, radius, inner, outer, scratch);
        continue;
      }
      const pass = (w: number, h: number) => {
        kernels.largeColumns(from, to, w, h, radius, inner, outer);
        [from, to] = [to, from];
      };
      const transpose = (w: number, h: number) => {
        kernels.transposePlane(from, to, w, h);
        [from, to] = [to, from];
      };
      transpose(width, height);
      for (let i = 0; i < PASSES; i++) pass(height, width);
      transpose(height, width);
      // An odd number of passes so far: the last of these three ends in `image`.
      for (let i = 0; i < PASSES; i++) pass(width, height);
    }
  }

  /** torchvision's, from `image` into `to`. */
  kernel(image: Planes, to: Planes, sigma: number, kernelSize: number): void {
    const { kernels } = this.#arena;
    const { width, height } = image;
    const radius = (kernelSize - 1) / 2;
    const half = kernelWeights(sigma, kernelSize);
    const weights = this.#scratch.reserve(half.byteLength + 16 + (width + 2 * radius + 8) * 4);
    new Float32Array(kernels.memory.buffer, weights, half.length).set(half);
    const line = weights + Math.ceil(half.byteLength / 16) * 16;
    for (let channel = 0; channel < 3; channel++) {
      const from = image.address + channel * image.plane;
      kernels.kernelBlur(from, to.address + channel * to.plane, width, height, radius, weights, line);
    }
  }
}
