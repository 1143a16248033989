import { type Arena, Region } from './arena.js';
import type { Planes } from './planes.js';
import { boxWeights } from './reference/gaussian-blur.js';
import { kernelWeights } from './reference/kernel-blur.js';

const PASSES = 3;
/** Of scratch, that a pass along the rows takes at most: native kernels take the most. */
const LINES = 8;

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
    const wide = radius === 1 ? 1 : 0;
    const lines = this.#scratch.reserve(LINES * (width + 128) + 64);
    for (let channel = 0; channel < 3; channel++) {
      let from = image.address + channel * image.plane;
      let to = other.address + channel * other.plane;
      const pass = (w: number, h: number) => {
        if (radius <= 1) kernels.smallColumns(from, to, w, h, wide, inner, outer);
        else kernels.largeColumns(from, to, w, h, radius, inner, outer);
        [from, to] = [to, from];
      };
      if (radius <= 1) {
        kernels.smallRows(from, to, width, height, wide, inner, outer, lines);
        [from, to] = [to, from];
      } else {
        kernels.transposePlane(from, to, width, height);
        [from, to] = [to, from];
        for (let i = 0; i < PASSES; i++) pass(height, width);
        kernels.transposePlane(from, to, height, width);
        [from, to] = [to, from];
      }
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
