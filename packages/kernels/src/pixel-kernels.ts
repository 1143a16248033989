import { Arena, Region } from './arena.js';
import {
  checkBox,
  checkFinite,
  checkInterpolation,
  checkKernelSize,
  checkPack,
  checkPixels,
  checkSize,
  checkWindow,
  MAX_SIGMA,
} from './arguments.js';
import { Blurs } from './blurs.js';
import { Packer } from './packer.js';
import { PlanePair, type Planes } from './planes.js';
import { hueShift } from './reference/hue.js';
import { Resampler } from './resampler.js';
import type { Box, Interpolation, PackFormat, Pixels } from './types.js';
import { type Backend, backends } from './wasm-module.js';

/** Beyond this a blend of different levels always saturates, so a larger factor gives the same pixels. */
const MAX_FACTOR = 1024;

/** Everything that lives in one WebAssembly memory. */
interface Workspace {
  readonly arena: Arena;
  readonly source: Region;
  readonly pair: PlanePair;
  readonly scratch: Region;
  readonly resampler: Resampler;
  readonly blurs: Blurs;
  readonly packer: Packer;
}

function workspace(backend: Backend): Workspace {
  const arena = new Arena(backend);
  return {
    arena,
    source: new Region(arena),
    pair: new PlanePair(arena),
    scratch: new Region(arena),
    resampler: new Resampler(arena),
    blurs: new Blurs(arena),
    packer: new Packer(arena),
  };
}

/**
 * Every pixel operation on one decoded source at a time, each bit as Pillow (and torchvision on PIL images) has it.
 * One instance a thread; synchronous. Write a source, then for every view of it: `begin`, operations, `pack`.
 *
 * Arguments out of range throw RangeError with the value. An image that does not fit into WebAssembly's 4 GiB throws
 * KernelMemoryError, after which the instance can be used on; allocate the source anew.
 */
export class PixelKernels {
  #space: Workspace;
  #source = { address: 0, width: 0, height: 0 };
  /** The working image: a box of the source, or planes. */
  #region: Box | null = null;
  #planes: Planes | null = null;

  private constructor(
    /** Where its kernels run; no pixel depends on it. */
    readonly backend: Backend,
  ) {
    this.#space = workspace(backend);
  }

  /** Compiles once a thread, instantiates one memory. @param backend one of `backends()`; @default the fastest */
  static create(backend: Backend = backends()[0]!): PixelKernels {
    return new PixelKernels(backend);
  }

  /**
   * Room for a decoded source: RGBX, uint8 [height, width, 4], the fourth byte without meaning. To be filled before
   * `begin`; valid until the next call of any method.
   */
  allocateSource(width: number, height: number): Uint8Array {
    checkSize('source', width, height);
    this.#source = { address: 0, width: 0, height: 0 };
    this.#region = null;
    this.#planes = null;
    const bytes = width * height * 4;
    this.#source = { address: this.#space.source.reserve(bytes), width, height };
    this.#space.resampler.forgetSource(height);
    return new Uint8Array(this.#space.arena.kernels.memory.buffer, this.#source.address, bytes);
  }

  /** In pixels; 0 without a source. */
  get sourceWidth(): number {
    return this.#source.width;
  }

  get sourceHeight(): number {
    return this.#source.height;
  }

  /** Begins a view: the working image is the whole source. */
  begin(): void {
    const { width, height } = this.#source;
    if (width === 0) throw new Error('There is no source: call allocateSource() first');
    this.#region = { x: 0, y: 0, width, height };
    this.#planes = null;
  }

  /** Of the working image, in pixels. */
  get width(): number {
    return this.#working.width;
  }

  get height(): number {
    return this.#working.height;
  }

  /** Keeps the pixels of `box` (in the working image's pixels); those outside it are zero. */
  crop(box: Box): void {
    checkBox(box);
    const { x, y, width, height } = box;
    const inside = x >= 0 && y >= 0 && x + width <= this.#working.width && y + height <= this.#working.height;
    if (this.#region && inside) {
      this.#region = { x: this.#region.x + x, y: this.#region.y + y, width, height };
    } else if (!(inside && width === this.#working.width && height === this.#working.height)) {
      this.#copy(box, inside);
    }
  }

  /**
   * Pillow's `Image.resize`: the filter sees the working image alone, so nothing beyond a crop. With `keep`, which must
   * overlap the resized image, the same as `crop(keep)` after it, but nothing else is made: then `width` and `height`
   * may be any. An image so long that too much would lie between the two passes throws KernelLimitError.
   */
  resize(width: number, height: number, interpolation: Interpolation, keep?: Box): void {
    if (keep) checkWindow(width, height, keep);
    else checkSize('size', width, height);
    checkInterpolation(interpolation);
    if (width === this.#working.width && height === this.#working.height) {
      if (keep) this.crop(keep);
      return;
    }
    const window = keep ? overlap(keep, width, height) : { x: 0, y: 0, width, height };
    const to = this.#space.pair.other(window.width, window.height);
    const target = { width, height, window, interpolation };
    if (this.#region) this.#space.resampler.fromSource(this.#source, this.#region, to, target);
    else this.#space.resampler.fromPlanes(this.#image(), to, target);
    this.#become(to);
    if (keep) this.crop({ ...keep, x: keep.x - window.x, y: keep.y - window.y });
  }

  flipHorizontal(): void {
    const image = this.#image();
    const { width, height } = image;
    const to = this.#space.pair.other(width, height);
    for (let channel = 0; channel < 3; channel++) {
      const from = image.address + channel * image.plane;
      this.#space.arena.kernels.flipRows(from, to.address + channel * to.plane, width, height);
    }
    this.#become(to);
  }

  /** `ImageEnhance.Brightness`; any finite factor, 1 leaves the image as it is. */
  brightness(factor: number): void {
    checkFinite('brightness', factor);
    this.#blendConstant(0, factor);
  }

  /** `ImageEnhance.Contrast`: about the rounded mean luma of the working image. */
  contrast(factor: number): void {
    checkFinite('contrast', factor);
    const { address, plane, width, height } = this.#image();
    const sum = this.#space.arena.kernels.lumaSum(address, plane, width * height);
    this.#blendConstant(Math.trunc(sum / (width * height) + 0.5), factor);
  }

  /** `ImageEnhance.Color`. */
  saturation(factor: number): void {
    checkFinite('saturation', factor);
    const { address, plane, width, height } = this.#image();
    this.#space.arena.kernels.saturation(address, plane, width * height, clampFactor(factor));
  }

  /** torchvision's `adjust_hue` on a PIL image; `factor` in [-0.5, 0.5] turns. Not the identity even at 0. */
  hue(factor: number): void {
    checkFinite('hue', factor, -0.5, 0.5);
    const { address, plane, width, height } = this.#image();
    this.#space.arena.kernels.hue(address, plane, width * height, hueShift(factor));
  }

  /** Luma in all three channels. */
  grayscale(): void {
    const { address, plane, width, height } = this.#image();
    this.#space.arena.kernels.grayscale(address, plane, width * height);
  }

  /** Pillow's `ImageFilter.GaussianBlur(sigma)`, three box passes an axis; `sigma` in pixels, [0, 2^20]. */
  gaussianBlur(sigma: number): void {
    checkFinite('sigma', sigma, 0, MAX_SIGMA);
    const image = this.#image();
    if (sigma === 0) return;
    this.#space.blurs.box(image, this.#space.pair.other(image.width, image.height), sigma);
  }

  /**
   * torchvision's `gaussian_blur` with a square kernel of odd size, within one level of its result. Edges are
   * reflected, so each side must exceed (kernelSize - 1) / 2, or it throws RangeError (torchvision throws too).
   */
  gaussianBlurKernel(sigma: number, kernelSize: number): void {
    checkFinite('sigma', sigma, 2 ** -20, MAX_SIGMA);
    const image = this.#image();
    checkKernelSize(kernelSize, image.width, image.height);
    const to = this.#space.pair.other(image.width, image.height);
    this.#space.blurs.kernel(image, to, sigma, kernelSize);
    this.#become(to);
  }

  /** `ImageOps.solarize`: levels at or above `threshold`, a number in [0, 256], are inverted. */
  solarize(threshold: number): void {
    checkFinite('threshold', threshold, 0, 256);
    const { address, plane } = this.#image();
    const level = Math.ceil(threshold);
    if (level < 256) this.#space.arena.kernels.solarize(address, 3 * plane, level);
  }

  /** A copy of the working image, the door for transforms of others. */
  readPixels(): Pixels {
    const { width, height } = this.#working;
    const data = new Uint8Array(width * height * 3);
    this.pack(data, 0, { dtype: 'uint8', layout: 'nhwc' });
    return { width, height, data };
  }

  /** Replaces the working image, by one of any size. */
  writePixels(pixels: Pixels): void {
    checkPixels(pixels);
    const { width, height, data } = pixels;
    const to = this.#space.pair.other(width, height);
    const from = this.#space.scratch.reserve(data.length);
    const { kernels } = this.#space.arena;
    new Uint8Array(kernels.memory.buffer, from, data.length).set(data);
    kernels.planesFromRgb(from, width * height, to.address, to.plane);
    this.#become(to);
  }

  /**
   * Writes the working image as one sample of a [B, 3, H, W] or [B, H, W, 3] tensor at `offset` bytes, little-endian.
   * Floats are f32 v / 255, then f32 (x - mean) / std where a normalization is given, then rounded to the dtype,
   * halves to even. `target` may lie over a SharedArrayBuffer. Returns the bytes written.
   */
  pack(target: Uint8Array, offset: number, format: PackFormat): number {
    const bytes = checkPack(target, offset, format, this.width * this.height);
    this.#space.packer.pack(this.#image(), target, offset, format);
    return bytes;
  }

  /** Bytes of WebAssembly memory held now; at most 4 GiB. */
  get memoryBytes(): number {
    return this.#space.arena.bytes;
  }

  /** Lets go of all memory, and of source and working image, if more than `keepBytes` is held. */
  trim(keepBytes: number): void {
    if (this.memoryBytes <= keepBytes) return;
    this.#space = workspace(this.backend);
    this.#source = { address: 0, width: 0, height: 0 };
    this.#region = null;
    this.#planes = null;
  }

  get #working(): { readonly width: number; readonly height: number } {
    const working = this.#region ?? this.#planes;
    if (!working) throw new Error('There is no working image: call begin() or writePixels() first');
    return working;
  }

  /** The working image as planes. */
  #image(): Planes {
    const { width, height } = this.#working;
    if (!this.#planes) this.#copy({ x: 0, y: 0, width, height }, true);
    return this.#planes!;
  }

  #become(planes: Planes): void {
    this.#space.pair.swap();
    this.#planes = planes;
    this.#region = null;
  }

  /** The pixels of `box`, which need not lie inside the working image, into the other planes. */
  #copy(box: Box, inside: boolean): void {
    const { kernels } = this.#space.arena;
    const { width, height } = this.#working;
    const to = this.#space.pair.other(box.width, box.height);
    if (!inside) new Uint8Array(kernels.memory.buffer, to.address, 3 * to.plane).fill(0);
    const { x, y, width: columns, height: rows } = overlap(box, width, height);
    if (columns > 0 && rows > 0) {
      const at = to.address + (y - box.y) * box.width + (x - box.x);
      if (this.#region) {
        const stride = this.#source.width * 4;
        const from = this.#source.address + (this.#region.y + y) * stride + (this.#region.x + x) * 4;
        kernels.planesFromRgbx(from, stride, columns, rows, at, box.width, to.plane);
      } else {
        const planes = this.#planes!;
        for (let channel = 0; channel < 3; channel++) {
          const from = planes.address + channel * planes.plane + y * width + x;
          kernels.copyRows(from, width, columns, rows, at + channel * to.plane, box.width);
        }
      }
    }
    this.#become(to);
  }

  #blendConstant(degenerate: number, factor: number): void {
    const { address, plane } = this.#image();
    this.#space.arena.kernels.blendConstant(address, 3 * plane, degenerate, clampFactor(factor));
  }
}

/** The part of `box` that lies in an image of this size; of no or negative extent where none does. */
function overlap(box: Box, width: number, height: number): Box {
  const x = Math.max(0, box.x);
  const y = Math.max(0, box.y);
  return {
    x,
    y,
    width: Math.min(width, box.x + box.width) - x,
    height: Math.min(height, box.y + box.height) - y,
  };
}

function clampFactor(factor: number): number {
  return Math.min(MAX_FACTOR, Math.max(-MAX_FACTOR, factor));
}
