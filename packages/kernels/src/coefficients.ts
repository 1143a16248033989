import type { Interpolation } from './types.js';

/** One axis' taps in the layout of assembly/resample.ts: bounds (two i32 an output), then weights. */
export interface AxisTaps {
  readonly bytes: Uint8Array;
  /** Where the weights begin in `bytes`. */
  readonly weights: number;
}

const MAX_CACHED_BYTES = 4 * 1024 * 1024;

function bicubic(at: number): number {
  const t = Math.abs(at);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * -0.5;
  return 0;
}

function bilinear(at: number): number {
  const t = Math.abs(at);
  return t < 1 ? 1 - t : 0;
}

/** Pillow's coefficients (docs/kernels.md), split for the SIMD kernels and padded to an even number of taps. */
function compute(inputs: number, outputs: number, interpolation: Interpolation): AxisTaps {
  const filter = interpolation === 'bicubic' ? bicubic : bilinear;
  const scale = inputs / outputs;
  const filterScale = Math.max(1, scale);
  const support = (interpolation === 'bicubic' ? 2 : 1) * filterScale;
  const inverse = 1 / filterScale;
  const bounds = new Int32Array(2 * outputs);
  let pairs = 0;
  for (let out = 0; out < outputs; out++) {
    const centre = (out + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = (Math.min(inputs, Math.trunc(centre + support + 0.5)) - first + 1) >> 1;
    bounds[2 * out] = first;
    bounds[2 * out + 1] = count;
    pairs += count;
  }
  const bytes = new Uint8Array(bounds.byteLength + pairs * 8);
  bytes.set(new Uint8Array(bounds.buffer));
  const split = new Int16Array(bytes.buffer, bounds.byteLength);
  const exact = new Float64Array(2 * Math.ceil(support) + 2);
  let at = 0;
  for (let out = 0; out < outputs; out++) {
    const centre = (out + 0.5) * scale;
    const first = bounds[2 * out]!;
    const end = Math.min(inputs, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let i = first; i < end; i++) {
      const weight = filter((i - centre + 0.5) * inverse);
      exact[i - first] = weight;
      sum += weight;
    }
    for (let i = 0; i < end - first; i++) {
      const scaled = (sum === 0 ? exact[i]! : exact[i]! / sum) * 4194304;
      const fixed = Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      const entry = at + (i >> 1) * 4 + (i & 1);
      split[entry] = fixed >> 11;
      split[entry + 2] = fixed & 2047;
    }
    at += bounds[2 * out + 1]! * 4;
  }
  return { bytes, weights: bounds.byteLength };
}

/** Axes that were used last, up to 4 MiB of them. */
export class TapsCache {
  readonly #axes = new Map<string, AxisTaps>();
  #bytes = 0;

  get(inputs: number, outputs: number, interpolation: Interpolation): AxisTaps {
    const key = `${inputs}:${outputs}:${interpolation}`;
    const known = this.#axes.get(key);
    const taps = known ?? compute(inputs, outputs, interpolation);
    if (known) this.#axes.delete(key);
    else this.#bytes += taps.bytes.length;
    this.#axes.set(key, taps);
    for (const [oldest, { bytes }] of this.#axes) {
      if (this.#bytes <= MAX_CACHED_BYTES) break;
      this.#axes.delete(oldest);
      this.#bytes -= bytes.length;
    }
    return taps;
  }
}
