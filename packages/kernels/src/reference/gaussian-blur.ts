import type { Pixels } from '../types.js';

const PASSES = 3;
const f = Math.fround;

/** An extended box filter: `2 * radius + 1` pixels of weight `inner` and one of `outer` on each side, in 2^-24. */
export interface BoxWeights {
  readonly radius: number;
  readonly inner: number;
  readonly outer: number;
}

/**
 * The box whose three passes stand for a Gaussian of `sigma`, in f32 as Pillow computes it. Source: Pillow,
 * `_gaussian_blur_radius` and `ImagingHorizontalBoxBlur` in src/libImaging/BoxBlur.c, after Gwosdek et al.,
 * "Theoretical Foundations of Gaussian Convolution by Extended Box Filtering" (SSVM 2011).
 */
export function boxWeights(sigma: number): BoxWeights {
  const variance = f(f(f(sigma) * f(sigma)) / PASSES);
  const length = f(Math.sqrt(12 * variance + 1));
  const whole = f(Math.floor((length - 1) / 2));
  const next = f(whole + 1);
  const above = f(f(2 * whole + 1) * f(f(whole * next) - f(3 * variance)));
  const below = f(6 * f(variance - f(next * next)));
  const exact = f(whole + f(above / below));
  const radius = Math.trunc(exact);
  const inner = Math.trunc(f(16777216 / f(f(exact * 2) + 1)));
  const outer = Math.trunc((16777216 - (2 * radius + 1) * inner) / 2);
  return { radius, inner, outer };
}

/** One pass along the rows, edges repeated, rounded to uint8. */
export function boxBlurHorizontal(image: Pixels, weights: BoxWeights): Pixels {
  const { width, height } = image;
  const { radius, inner, outer } = weights;
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let channel = 0; channel < 3; channel++) {
      const at = (x: number) => image.data[(y * width + Math.min(width - 1, Math.max(0, x))) * 3 + channel]!;
      let near = 0;
      for (let x = -radius; x <= radius; x++) near += at(x);
      for (let x = 0; x < width; x++) {
        const far = at(x - radius - 1) + at(x + radius + 1);
        data[(y * width + x) * 3 + channel] = (inner * near + outer * far + 8388608) / 16777216;
        near += at(x + radius + 1) - at(x - radius);
      }
    }
  }
  return { width, height, data };
}

function transpose(image: Pixels): Pixels {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      data.set(image.data.subarray(from, from + 3), (x * height + y) * 3);
    }
  }
  return { width: height, height: width, data };
}

/** `image.filter(ImageFilter.GaussianBlur(sigma))`: three passes along the rows, then three along the columns. */
export function gaussianBlur(image: Pixels, sigma: number): Pixels {
  const weights = boxWeights(sigma);
  let out = image;
  for (let axis = 0; axis < 2; axis++) {
    for (let pass = 0; pass < PASSES; pass++) out = boxBlurHorizontal(out, weights);
    out = transpose(out);
  }
  return out;
}
