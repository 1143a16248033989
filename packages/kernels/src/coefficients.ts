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
 * How a backend's kernels take coefficients: `pairs` of taps as assembly/resample.ts has them, each coefficient in halves of
 * 16 bits; or `quads` as native/resample-avx512.h has them, each in three signed digits to the base 256.
 */
export type TapsLayout = 'pairs' | 'quads';

/**
 * The taps of an axis: bounds (two i32 an output made: its first input, and how many pairs or quads of taps it has), then
 * weights. Every output has as many of them, zeros among them, so that loops over them always end alike.
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

/** A layout: taps of a group, bytes of its weights, and where tap `tap` of group `group` has its coefficient. */
interface Split {
  readonly taps: number;
  readonly bytes: number;
  set(weights: DataView, group: number, tap: number, coefficient: number): void;
}

const SPLITS: Readonly<Record<TapsLayout, Split>> = {
  pairs: {
    taps: 2,
    bytes: 8,
    set(weights, group, tap, coefficient) {
      weights.setInt16(8 * group + 2 * tap, coefficient >> 11, true);
      weights.setInt16(8 * group + 2 * tap + 4, coefficient & 2047, true);
    },
  },
  quads: {
    taps: 4,
    bytes: 12,
    // The highest digit holds coefficients below 2 in magnitude: no filter here has one over 1.2.
    set(weights, group, tap, coefficient) {
      for (let digit = 2, rest = coefficient; digit >= 0; digit--, rest = (rest + 128) >> 8) {
        weights.setInt8(12 * group + 4 * digit + tap, rest);
      }
    },
  },
};

/** Pillow's coefficients (docs/kernels.md), split for the SIMD kernels and padded to whole groups of taps. */
function compute(
  { inputs, outputs, first, last }: Axis,
  interpolation: Interpolation,
  layout: TapsLayout,
): AxisTaps {
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
  const { taps, bytes: groupBytes, set } = SPLITS[layout];
  const groups = Math.ceil(most / taps);
  const bounds = new Int32Array(2 * made);
  for (let index = 0; index < made; index++) {
    // Near the end taps begin earlier than Pillow's, with zeros, and so reach no input beyond the last, or a group at most.
    const start = Math.max(from, Math.min(startOf(centreOf(first + index)), to - taps * groups));
    bounds[2 * index] = start - from;
    bounds[2 * index + 1] = groups;
  }
  const bytes = new Uint8Array(bounds.byteLength + made * groups * groupBytes);
  bytes.set(new Uint8Array(bounds.buffer));
  const weights = new DataView(bytes.buffer, bounds.byteLength);
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
      set(weights, index * groups + Math.trunc(tap / taps), tap % taps, fixed);
    }
  }
  return { from, to, bytes, weights: bounds.byteLength };
}

/** Axes that were used last, up to 4 MiB of them. */
export class TapsCache {
  readonly #axes = new Map<string, AxisTaps>();
  #bytes = 0;

  constructor(private readonly layout: TapsLayout) {}

  get(axis: Axis, interpolation: Interpolation): AxisTaps {
    const key = `${axis.inputs}:${axis.outputs}:${axis.first}:${axis.last}:${interpolation}`;
    const known = this.#axes.get(key);
    const taps = known ?? compute(axis, interpolation, this.layout);
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
