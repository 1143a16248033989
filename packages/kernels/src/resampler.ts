import { type Arena, Region } from './arena.js';
import { type AxisTaps, TapsCache } from './coefficients.js';
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

function bandsOf(box: Box): { first: number; count: number } {
  const first = Math.floor(box.y / BAND);
  return { first, count: Math.floor((box.y + box.height - 1) / BAND) - first + 1 };
}

/** Resizes from the decoded source, whose bands are made once and kept for its other crops, or from planes. */
export class Resampler {
  readonly #arena: Arena;
  readonly #taps = new TapsCache();
  readonly #sourceBands: Region;
  readonly #otherBands: Region;
  readonly #axes: readonly [Region, Region];
  readonly #line: Region;
  readonly #rows: Region;
  #bandsMade: Uint8Array = new Uint8Array(0);

  constructor(arena: Arena) {
    this.#arena = arena;
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

  /** `box` of an RGBX source, resized into `to`. */
  fromSource(
    source: { address: number; width: number; height: number },
    box: Box,
    to: Planes,
    interpolation: Interpolation,
  ): void {
    const { width, height } = source;
    const shape = bandShape(width, 4);
    this.#reserveRows(box, to);
    const address = this.#sourceBands.reserve(this.#bandsMade.length * shape.stride);
    const { first, count } = bandsOf(box);
    for (let band = first; band < first + count; band++) {
      if (this.#bandsMade[band] === 1) continue;
      const y = band * BAND;
      const from = source.address + y * width * 4;
      const at = address + band * shape.stride;
      this.#arena.kernels.bandFromRgbx(from, width * 4, width, Math.min(BAND, height - y), at, shape.plane);
      this.#bandsMade[band] = 1;
    }
    this.#resample({ address, ...shape }, box, to, interpolation);
  }

  /** Planes, resized into `to`. */
  fromPlanes(from: Planes, to: Planes, interpolation: Interpolation): void {
    const { width, height } = from;
    const shape = bandShape(width, 16);
    const box = { x: 0, y: 0, width, height };
    this.#reserveRows(box, to);
    const address = this.#otherBands.reserve(Math.ceil(height / BAND) * shape.stride);
    for (let y = 0; y < height; y += BAND) {
      const rows = Math.min(BAND, height - y);
      for (let channel = 0; channel < 3; channel++) {
        const at = address + (y / BAND) * shape.stride + channel * shape.plane;
        const row = from.address + channel * from.plane + y * width;
        this.#arena.kernels.bandFromPlane(row, width, width, rows, at);
      }
    }
    this.#resample({ address, ...shape }, box, to, interpolation);
  }

  #resample(bands: Bands, box: Box, to: Planes, interpolation: Interpolation): void {
    const { kernels } = this.#arena;
    const { first: firstBand, count } = bandsOf(box);
    const across = box.width === to.width ? null : this.#load(0, box.width, to.width, interpolation);
    const down = box.height === to.height ? null : this.#load(1, box.height, to.height, interpolation);
    const { line, rows, stride } = this.#reserveRows(box, to);
    for (let channel = 0; channel < 3; channel++) {
      const from = bands.address + firstBand * bands.stride + channel * bands.plane + box.x * BAND;
      if (across) {
        const { bounds, weights } = across;
        kernels.horizontal(from, bands.stride, count, line, rows, stride, to.width, bounds, weights);
      } else kernels.unband(from, bands.stride, count, rows, stride, to.width);
      const first = rows + (box.y - firstBand * BAND) * stride;
      const plane = to.address + channel * to.plane;
      if (down) kernels.vertical(first, stride, to.width, plane, to.height, down.bounds, down.weights);
      else kernels.copyRows(first, stride, to.width, to.height, plane, to.width);
    }
  }

  /** Scratch between the passes, one channel at a time. Asked for first: it is what an extreme ratio has too much of. */
  #reserveRows(box: Box, to: Planes) {
    const stride = Math.ceil(to.width / 16) * 16;
    // A tap of weight zero may lie one row beyond the last.
    const rows = this.#rows.reserve((bandsOf(box).count * BAND + 1) * stride);
    return { line: this.#line.reserve(stride * BAND), rows, stride };
  }

  #load(axis: 0 | 1, inputs: number, outputs: number, interpolation: Interpolation) {
    const taps: AxisTaps = this.#taps.get(inputs, outputs, interpolation);
    const bounds = this.#axes[axis].reserve(taps.bytes.length);
    new Uint8Array(this.#arena.kernels.memory.buffer).set(taps.bytes, bounds);
    return { bounds, weights: bounds + taps.weights };
  }
}
