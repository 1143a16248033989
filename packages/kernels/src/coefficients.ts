import type { Interpolation } from './types.js';

/** One axis of a resize, of which only the outputs in [first, last) are made. */
export interface Axis {
  readonly inputs: number;
  /** Of the whole axis: a safe integer, however many of them are made. */
  readonly outputs: number;
  readonly first: number;
  readonly last: number;
}

/**
 * The taps of an axis in the layout of assembly/resample.ts: bounds (two i32 an output made), then weights. Every output has
 * as many pairs of taps, zeros among them, so that loops over them always end alike.
 */
export interface AxisTaps {
  /** The inputs that the taps reach, [from, to); bounds count from `from` on. */
  readonly from: number;
  readonly to: number;
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
function compute({ inputs, outputs, first, last }: Axis, interpolation: Interpolation): AxisTaps {
  const filter = interpolation === 'bicubic' ? bicubic : bilinear;
  const scale = inputs / outputs;
  const filterScale = Math.max(1, scale);
  const support = (interpolation === 'bicubic' ? 2 : 1) * filterScale;
  const inverse = 1 / filterScale;
  const centreOf = (out: number) => (out + 0.5) * scale;
  const startOf = (centre: number) => Math.max(0, Math.trunc(centre - support + 0.5));
  const endOf = (centre: number) => Math.min(inputs, Math.trunc(centre + support + 0.5));
  // Both ends move up with the output.
  const from = startOf(centreOf(first));
  const to = endOf(centreOf(last - 1));
  const made = last - first;
  let most = 0;
  for (let out = first; out < last; out++) {
    most = Math.max(most, endOf(centreOf(out)) - startOf(centreOf(out)));
  }
  const pairs = (most + 1) >> 1;
  const bounds = new Int32Array(2 * made);
  for (let index = 0; index < made; index++) {
    // Near the end taps begin earlier than Pillow's, with zeros, and so reach no input beyond the last, or one at most.
    const start = Math.max(from, Math.min(startOf(centreOf(first + index)), to - 2 * pairs));
    bounds[2 * index] = start - from;
    bounds[2 * index + 1] = pairs;
  }
  const bytes = new Uint8Array(bounds.byteLength + made * pairs * 8);
  bytes.set(new Uint8Array(bounds.buffer));
  const split = new Int16Array(bytes.buffer, bounds.byteLength);
  const exact = new Float64Array(2 * Math.ceil(support) + 2);
  for (let index = 0; index < made; index++) {
    const centre = centreOf(first + index);
    const start = startOf(centre);
    const end = endOf(centre);
    let sum = 0;
    for (let i = start; i < end; i++) {
      const weight = filter((i - centre + 0.5) * inverse);
      exact[i - start] = weight;
      sum += weight;
    }
    for (let i = 0; i < end - start; i++) {
      const scaled = (sum === 0 ? exact[i]! : exact[i]! / sum) * 4194304;
      const fixed = Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      const tap = start + i - from - bounds[2 * index]!;
      const entry = (index * pairs + (tap >> 1)) * 4 + (tap & 1);
      split[entry] = fixed >> 11;
      split[entry + 2] = fixed & 2047;
    }
  }
  return { from, to, bytes, weights: bounds.byteLength };
}

/** Axes that were used last, up to 4 MiB of them. */
export class TapsCache {
  readonly #axes = new Map<string, AxisTaps>();
  #bytes = 0;

  get(axis: Axis, interpolation: Interpolation): AxisTaps {
    const key = `${axis.inputs}:${axis.outputs}:${axis.first}:${axis.last}:${interpolation}`;
    const known = this.#axes.get(key);
    const taps = known ?? compute(axis, interpolation);
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
