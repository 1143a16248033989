import { type Arena, Region } from './arena.js';
import type { Planes } from './planes.js';
import { packTable } from './reference/pack.js';
import { DTYPE_BYTES, type PackFormat } from './types.js';

/** Pixels that are converted at a time, so that a large image needs no second copy of itself. */
const CHUNK = 8192;

/** Writes planes as one sample of a tensor, through a table of the 256 values that a channel's levels become. */
export class Packer {
  readonly #arena: Arena;
  readonly #tables: Region;
  readonly #staging: Region;
  #loaded = '';

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#tables = new Region(arena);
    this.#staging = new Region(arena);
  }

  pack(image: Planes, target: Uint8Array, offset: number, format: PackFormat): void {
    if (format.layout === 'nchw') this.#packPlanes(image, target, offset, format);
    else this.#packPixels(image, target, offset, format);
  }

  #packPlanes(image: Planes, target: Uint8Array, offset: number, format: PackFormat): void {
    const { kernels } = this.#arena;
    const count = image.width * image.height;
    const size = DTYPE_BYTES[format.dtype];
    for (let channel = 0; channel < 3; channel++) {
      const from = image.address + channel * image.plane;
      const to = offset + channel * count * size;
      if (size === 1) {
        kernels.copyOut(from, count, target, to);
        continue;
      }
      const table = this.#load(format) + channel * 1024;
      const staging = this.#staging.reserve(CHUNK * 12);
      for (let at = 0; at < count; at += CHUNK) {
        const chunk = Math.min(CHUNK, count - at);
        this.#lookup(size, from + at, chunk, table, staging, size);
        kernels.copyOut(staging, chunk * size, target, to + at * size);
      }
    }
  }

  #packPixels(image: Planes, target: Uint8Array, offset: number, format: PackFormat): void {
    const { kernels } = this.#arena;
    const count = image.width * image.height;
    const size = DTYPE_BYTES[format.dtype];
    const staging = this.#staging.reserve(CHUNK * 12);
    const tables = size === 1 ? 0 : this.#load(format);
    for (let at = 0; at < count; at += CHUNK) {
      const chunk = Math.min(CHUNK, count - at);
      const from = image.address + at;
      if (size === 1) kernels.rgbFromPlanes(from, image.plane, chunk, staging);
      for (let channel = 0; size > 1 && channel < 3; channel++) {
        const to = staging + channel * size;
        this.#lookup(size, from + channel * image.plane, chunk, tables + channel * 1024, to, 3 * size);
      }
      kernels.copyOut(staging, chunk * 3 * size, target, offset + at * 3 * size);
    }
  }

  #lookup(size: number, from: number, count: number, table: number, to: number, step: number): void {
    const { lookup2, lookup4 } = this.#arena.kernels;
    (size === 2 ? lookup2 : lookup4)(from, count, table, to, step);
  }

  /** The three channels' tables, 1,024 bytes each. */
  #load({ dtype, normalization }: PackFormat): number {
    const address = this.#tables.reserve(3 * 1024);
    const key = JSON.stringify([dtype, normalization?.mean, normalization?.std]);
    if (key !== this.#loaded) {
      for (const channel of [0, 1, 2] as const) {
        const table = packTable(dtype, channel, normalization);
        new Uint32Array(this.#arena.kernels.memory.buffer, address + channel * 1024, 256).set(table);
      }
      this.#loaded = key;
    }
    return address;
  }
}
