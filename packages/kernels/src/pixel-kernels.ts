import {
  checkBox,
  checkFinite,
  checkInterpolation,
  checkKernelSize,
  checkPack,
  checkPixels,
  checkSize,
  MAX_SIGMA,
} from './arguments.js';
import * as reference from './reference/index.js';
import type { Box, Interpolation, PackFormat, Pixels } from './types.js';

/** Every pixel operation on one source image at a time; one instance a thread. */
export class PixelKernels {
  #source = { width: 0, height: 0, data: new Uint8Array(0) };
  #working: Pixels | null = null;

  static create(): PixelKernels {
    return new PixelKernels();
  }

  allocateSource(width: number, height: number): Uint8Array {
    checkSize('source', width, height);
    this.#source = { width, height, data: new Uint8Array(width * height * 4) };
    this.#working = null;
    return this.#source.data;
  }

  get sourceWidth(): number {
    return this.#source.width;
  }

  get sourceHeight(): number {
    return this.#source.height;
  }

  begin(): void {
    const { width, height, data } = this.#source;
    this.#working = { width, height, data: data.filter((_, i) => i % 4 !== 3) };
  }

  get width(): number {
    return this.#image.width;
  }

  get height(): number {
    return this.#image.height;
  }

  crop(box: Box): void {
    checkBox(box);
    this.#working = reference.crop(this.#image, box);
  }

  resize(width: number, height: number, interpolation: Interpolation): void {
    checkSize('size', width, height);
    checkInterpolation(interpolation);
    this.#working = reference.resize(this.#image, width, height, interpolation);
  }

  flipHorizontal(): void {
    this.#working = reference.flipHorizontal(this.#image);
  }

  brightness(factor: number): void {
    checkFinite('brightness', factor);
    this.#working = reference.brightness(this.#image, factor);
  }

  contrast(factor: number): void {
    checkFinite('contrast', factor);
    this.#working = reference.contrast(this.#image, factor);
  }

  saturation(factor: number): void {
    checkFinite('saturation', factor);
    this.#working = reference.saturation(this.#image, factor);
  }

  hue(factor: number): void {
    checkFinite('hue', factor, -0.5, 0.5);
    this.#working = reference.hue(this.#image, factor);
  }

  grayscale(): void {
    this.#working = reference.grayscale(this.#image);
  }

  gaussianBlur(sigma: number): void {
    checkFinite('sigma', sigma, 0, MAX_SIGMA);
    this.#working = reference.gaussianBlur(this.#image, sigma);
  }

  gaussianBlurKernel(sigma: number, kernelSize: number): void {
    checkFinite('sigma', sigma, Number.MIN_VALUE);
    checkKernelSize(kernelSize, this.width, this.height);
    this.#working = reference.gaussianBlurKernel(this.#image, sigma, kernelSize);
  }

  solarize(threshold: number): void {
    checkFinite('threshold', threshold, 0, 256);
    this.#working = reference.solarize(this.#image, threshold);
  }

  readPixels(): Pixels {
    return { ...this.#image, data: this.#image.data.slice() };
  }

  writePixels(pixels: Pixels): void {
    checkPixels(pixels);
    this.#working = { ...pixels, data: pixels.data.slice() };
  }

  pack(target: Uint8Array, offset: number, format: PackFormat): number {
    const bytes = checkPack(target, offset, format, this.width * this.height);
    target.set(reference.pack(this.#image, format), offset);
    return bytes;
  }

  get memoryBytes(): number {
    return this.#source.data.length;
  }

  trim(keepBytes: number): void {
    if (this.memoryBytes > keepBytes) this.#source = { width: 0, height: 0, data: new Uint8Array(0) };
  }

  get #image(): Pixels {
    if (this.#working === null)
      throw new Error('There is no working image: call begin() or writePixels() first');
    return this.#working;
  }
}
