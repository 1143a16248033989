import { type Arena, Region } from './arena.js';
import { KernelLimitError, MAX_PIXELS } from './arguments.js';
import { type Axis, type AxisTaps, TapsCache } from './coefficients.js';
import type { Planes } from './planes.js';
import type { Box, Interpolation } from './types.js';

const BAND = 16;

interface Bands {
  readonly address: number;
  /** Bytes from one channel to the next, and from one band to the next. */
  readonly plane: number;
  readonly stride: number;
}

/** Bands are made `step` columns at a time, so a channel holds a multiple of that. */
function bandShape(width: number, step: 4 | 16): Omit<Bands, 'address'> {
  const plane = Math.ceil(width / step) * step * BAND;
  return { plane, stride: 3 * plane };
}

/** The bands that rows [y, y + height) lie in. */
function bandsOf(y: number, height: number): { first: number; count: number } {
  const first = Math.floor(y / BAND);
  return { first, count: Math.floor((y + height - 1) / BAND) - first + 1 };
}

/** What a resize makes: `window` of the image that is resized to `width` x `height`. */
export interface ResizeTarget {
  readonly width: number;
  readonly height: number;
  /** Inside the resized image. */
  readonly window: Box;
  readonly interpolation: Interpolation;
}

/** One axis on its way: taps (null where the size stays) and the inputs that they reach. */
interface Pass {
  readonly taps: AxisTaps | null;
  readonly from: number;
  readonly count: number;
}

/** Resizes from the decoded source, whose bands are made once and kept for its other crops, or from planes. */
export class Resampler {
  readonly #arena: Arena;
  readonly #taps: TapsCache;
  readonly #sourceBands: Region;
  readonly #otherBands: Region;
  readonly #axes: readonly [Region, Region];
  readonly #line: Region;
  readonly #rows: Region;
  #bandsMade: Uint8Array = new Uint8Array(0);

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#taps = new TapsCache(arena.kernels.taps);
    this.#sourceBands = new Region(arena);
    this.#otherBands = new Region(arena);
    this.#axes = [new Region(arena), new Region(arena)];
    this.#line = new Region(arena);
    this.#rows = new Region(arena);
  }

  /** To be called for every new source. */
  forgetSource(height: number): void {
    this.#bandsMade = new Uint8Array(Math.ceil(height / BAND));
  }

  /** `box` of an RGBX source, resized into `to`, which has the window's size. */
  fromSource(
    source: { address: number; width: number; height: number },
    box: Box,
    to: Planes,
    target: ResizeTarget,
  ): void {
    const { width, height } = source;
    const shape = bandShape(width, 4);
    const passes = this.#passes(box, target);
    const { first, count } = bandsOf(box.y + passes.down.from, passes.down.count);
    this.#reserveRows(count, to.width);
    const address = this.#sourceBands.reserve(this.#bandsMade.length * shape.stride);
    for (let band = first; band < first + count; band++) {
      if (this.#bandsMade[band] === 1) continue;
      const y = band * BAND;
      const from = source.address + y * width * 4;
      const at = address + band * shape.stride;
      this.#arena.kernels.bandFromRgbx(from, width * 4, width, Math.min(BAND, height - y), at, shape.plane);
      this.#bandsMade[band] = 1;
    }
    this.#resample({ address, ...shape }, box, to, passes);
  }

  /** Planes, resized into `to`, which has the window's size. */
  fromPlanes(from: Planes, to: Planes, target: ResizeTarget): void {
    const { width, height } = from;
    const shape = bandShape(width, 16);
    const box = { x: 0, y: 0, width, height };
    const passes = this.#passes(box, target);
    this.#reserveRows(bandsOf(passes.down.from, passes.down.count).count, to.width);
    const address = this.#otherBands.reserve(Math.ceil(height / BAND) * shape.stride);
    for (let y = 0; y < height; y += BAND) {
      const rows = Math.min(BAND, height - y);
      for (let channel = 0; channel < 3; channel++) {
        const at = address + (y / BAND) * shape.stride + channel * shape.plane;
        const row = from.address + channel * from.plane + y * width;
        this.#arena.kernels.bandFromPlane(row, width, width, rows, at);
      }
    }
    this.#resample({ address, ...shape }, box, to, passes);
  }

  #passes(box: Box, { width, height, window, interpolation }: ResizeTarget): { across: Pass; down: Pass } {
    const pass = (axis: Axis): Pass => {
      if (axis.inputs === axis.outputs)
        return { taps: null, from: axis.first, count: axis.last - axis.first };
      const taps = this.#taps.get(axis, interpolation);
      return { taps, from: taps.from, count: taps.to - taps.from };
    };
    const { x, y } = window;
    const down = pass({ inputs: box.height, outputs: height, first: y, last: y + window.height });
    if (down.count * window.width > MAX_PIXELS) {
      throw new KernelLimitError(
        `${window.width} x ${down.count} between the passes of a resize of ${box.width} x ${box.height}`,
      );
    }
    return {
      across: pass({ inputs: box.width, outputs: width, first: x, last: x + window.width }),
      down,
    };
  }

  #resample(bands: Bands, box: Box, to: Planes, { across, down }: { across: Pass; down: Pass }): void {
    const { kernels } = this.#arena;
    const { first: firstBand, count } = bandsOf(box.y + down.from, down.count);
    const columns = this.#load(0, across.taps);
    const lines = this.#load(1, down.taps);
    const { line, rows, stride } = this.#reserveRows(count, to.width);
    for (let channel = 0; channel < 3; channel++) {
      const column = (box.x + across.from) * BAND;
      const from = bands.address + firstBand * bands.stride + channel * bands.plane + column;
      if (columns) {
        const { bounds, weights } = columns;
        kernels.horizontal(from, bands.stride, count, line, rows, stride, to.width, bounds, weights);
      } else kernels.unband(from, bands.stride, count, rows, stride, to.width);
      const first = rows + (box.y + down.from - firstBand * BAND) * stride;
      const plane = to.address + channel * to.plane;
      if (lines) kernels.vertical(first, stride, to.width, plane, to.height, lines.bounds, lines.weights);
      else kernels.copyRows(first, stride, to.width, to.height, plane, to.width);
    }
  }

  /** Scratch between the passes, one channel at a time. Asked for first: it is what an extreme ratio has too much of. */
  #reserveRows(bands: number, width: number) {
    const stride = Math.ceil(width / 16) * 16;
    // Taps of weight zero may lie up to three rows beyond the last.
    const rows = this.#rows.reserve((bands * BAND + 3) * stride);
    return { line: this.#line.reserve(stride * BAND), rows, stride };
  }

  #load(axis: 0 | 1, taps: AxisTaps | null) {
    if (taps === null) return null;
    const bounds = this.#axes[axis].reserve(taps.bytes.length);
    new Uint8Array(this.#arena.kernels.memory.buffer).set(taps.bytes, bounds);
    return { bounds, weights: bounds + taps.weights };
  }
}
