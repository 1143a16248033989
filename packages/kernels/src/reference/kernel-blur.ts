import { exponential } from '../exponential.js';
import type { Pixels } from '../types.js';

const f = Math.fround;

/**
 * Half of torchvision's normalised Gaussian kernel, from the centre outwards, as f32: `_get_gaussian_kernel1d` of
 * torchvision/transforms/_functional_tensor.py.
 */
export function kernelWeights(sigma: number, kernelSize: number): Float32Array {
  const half = (kernelSize - 1) / 2;
  const density: number[] = [];
  for (let x = 0; x <= half; x++) density.push(exponential(-0.5 * (x / sigma) ** 2));
  const sum = density.reduce((total, value, x) => total + (x === 0 ? value : 2 * value), 0);
  return Float32Array.from(density, (value) => value / sum);
}

/** One line of floats, symmetric taps added in pairs from the centre outwards, f32 after each step. */
function convolve(at: (offset: number) => number, weights: Float32Array): number {
  let sum = f(weights[0]! * at(0));
  for (let d = 1; d < weights.length; d++) sum = f(sum + f(weights[d]! * f(at(-d) + at(d))));
  return sum;
}

/**
 * torchvision's `gaussian_blur(image, kernelSize, sigma)`: reflected edges, f32, halves to even. Columns first, then
 * rows, where torchvision convolves with the outer product; so results may differ from its own by one level.
 */
export function gaussianBlurKernel(image: Pixels, sigma: number, kernelSize: number): Pixels {
  const { width, height } = image;
  const weights = kernelWeights(sigma, kernelSize);
  const mirror = (i: number, n: number) => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);
  const columns = new Float32Array(image.data.length);
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * 3; i++) {
      const at = (d: number) => image.data[mirror(y + d, height) * width * 3 + i]!;
      columns[y * width * 3 + i] = convolve(at, weights);
    }
  }
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < width * 3; i++) {
      const x = Math.trunc(i / 3);
      const at = (d: number) => columns[(y * width + mirror(x + d, width)) * 3 + (i % 3)]!;
      const value = convolve(at, weights);
      const below = Math.floor(value);
      const up = value - below > 0.5 || (value - below === 0.5 && below % 2 === 1);
      data[y * width * 3 + i] = Math.min(255, up ? below + 1 : below);
    }
  }
  return { width, height, data };
}
