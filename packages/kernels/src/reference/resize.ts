import type { Interpolation, Pixels } from '../types.js';

const SUPPORT = { bicubic: 2, bilinear: 1 } as const;

function filter(interpolation: Interpolation, at: number): number {
  const t = Math.abs(at);
  if (interpolation === 'bilinear') return t < 1 ? 1 - t : 0;
  const a = -0.5;
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/**
 * One axis' taps: for each output index the first input index and the weights from there on, in units of 2^-22.
 * Source: Pillow, `precompute_coeffs` and `normalize_coeffs_8bpc` in src/libImaging/Resample.c.
 */
export function filterTaps(
  inputs: number,
  outputs: number,
  interpolation: Interpolation,
): { first: number; weights: number[] }[] {
  const scale = inputs / outputs;
  const filterScale = Math.max(1, scale);
  const support = SUPPORT[interpolation] * filterScale;
  const inverse = 1 / filterScale;
  const taps: { first: number; weights: number[] }[] = [];
  for (let out = 0; out < outputs; out++) {
    const centre = (out + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + support + 0.5));
    const exact: number[] = [];
    let sum = 0;
    for (let i = 0; i < end - first; i++) {
      const weight = filter(interpolation, (i + first - centre + 0.5) * inverse);
      exact.push(weight);
      sum += weight;
    }
    const weights = exact.map((weight) => {
      const scaled = (sum === 0 ? weight : weight / sum) * 4194304;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    taps.push({ first, weights });
  }
  return taps;
}

function resample(
  image: Pixels,
  outputs: number,
  interpolation: Interpolation,
  axis: 'horizontal' | 'vertical',
): Pixels {
  const horizontal = axis === 'horizontal';
  const width = horizontal ? outputs : image.width;
  const height = horizontal ? image.height : outputs;
  const taps = filterTaps(horizontal ? image.width : image.height, outputs, interpolation);
  const step = horizontal ? 3 : image.width * 3;
  const data = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = taps[horizontal ? x : y]!;
      const start = horizontal ? (y * image.width + first) * 3 : (first * image.width + x) * 3;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 1 << 21;
        for (let k = 0; k < weights.length; k++) {
          sum = (sum + Math.imul(image.data[start + k * step + channel]!, weights[k]!)) | 0;
        }
        data[(y * width + x) * 3 + channel] = sum >> 22;
      }
    }
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}

/**
 * Pillow's `Image.resize((width, height), BICUBIC | BILINEAR)`: the horizontal axis first, rounded to uint8, then the
 * vertical one; an axis whose size stays is skipped.
 */
export function resize(image: Pixels, width: number, height: number, interpolation: Interpolation): Pixels {
  let out = image;
  if (width !== out.width) out = resample(out, width, interpolation, 'horizontal');
  if (height !== out.height) out = resample(out, height, interpolation, 'vertical');
  return out === image ? { ...image, data: image.data.slice() } : out;
}
