import { readFileSync } from 'node:fs';
import type { TapsLayout } from './coefficients.js';
import { type NativeLevel, nativeLevels, withNative } from './native.js';

/** What is used of WebAssembly: its types come with TypeScript's `dom`, which has no place in a service. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

/** The exports of assembly/index.ts, whose comments say what each does. */
export interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  /** Of `horizontal` and `vertical`. */
  readonly taps: TapsLayout;
  heapBase(): number;
  bandFromRgbx(from: number, stride: number, width: number, rows: number, to: number, plane: number): void;
  bandFromPlane(from: number, stride: number, width: number, rows: number, to: number): void;
  horizontal(
    bands: number,
    bandStride: number,
    count: number,
    line: number,
    rows: number,
    rowStride: number,
    outputs: number,
    bounds: number,
    weights: number,
  ): void;
  unband(
    bands: number,
    bandStride: number,
    count: number,
    rows: number,
    rowStride: number,
    width: number,
  ): void;
  vertical(
    rows: number,
    rowStride: number,
    width: number,
    to: number,
    outputs: number,
    bounds: number,
    weights: number,
  ): void;
  blendConstant(at: number, count: number, degenerate: number, factor: number): void;
  lumaSum(at: number, plane: number, count: number): number;
  saturation(at: number, plane: number, count: number, factor: number): void;
  grayscale(at: number, plane: number, count: number): void;
  solarize(at: number, count: number, threshold: number): void;
  hue(at: number, plane: number, count: number, shift: number): void;
  rgbToHsv(at: number, plane: number, count: number): void;
  hsvToRgb(at: number, plane: number, count: number): void;
  smallBlur(
    plane: number,
    other: number,
    width: number,
    height: number,
    wide: number,
    inner: number,
    outer: number,
    scratch: number,
  ): void;
  largeColumns(
    from: number,
    to: number,
    width: number,
    height: number,
    radius: number,
    inner: number,
    outer: number,
  ): void;
  transposePlane(from: number, to: number, width: number, height: number): void;
  kernelBlur(
    from: number,
    to: number,
    width: number,
    height: number,
    radius: number,
    weights: number,
    line: number,
  ): void;
  planesFromRgbx(
    from: number,
    fromStride: number,
    width: number,
    height: number,
    to: number,
    toStride: number,
    plane: number,
  ): void;
  planesFromRgb(from: number, count: number, to: number, plane: number): void;
  rgbFromPlanes(from: number, plane: number, count: number, to: number): void;
  copyRows(
    from: number,
    fromStride: number,
    width: number,
    height: number,
    to: number,
    toStride: number,
  ): void;
  /** `count` bytes of the memory to `offset` of `target`, which is outside of it. No export: backends have it their own way. */
  copyOut(from: number, count: number, target: Uint8Array, offset: number): void;
  flipRows(from: number, to: number, width: number, height: number): void;
  lookup2(from: number, count: number, table: number, to: number, step: number): void;
  lookup4(from: number, count: number, table: number, to: number, step: number): void;
}

let compiled: object | undefined;

/** Where kernels run: native ones of a level, or WebAssembly, which is everywhere. */
export type Backend = NativeLevel | 'wasm';

/** What there is here, the fastest first. */
export function backends(): readonly Backend[] {
  return [...nativeLevels(), 'wasm'];
}

/** A new instance with its own memory; the module is compiled once a thread. */
export function instantiate(backend: Backend): KernelExports {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../dist/kernels.wasm', import.meta.url)));
  const { exports } = new WebAssembly.Instance(compiled, {
    env: {
      abort() {
        throw new Error('The pixel kernels aborted');
      },
    },
  });
  const module = exports as Omit<KernelExports, 'taps' | 'copyOut'>;
  const wasm: KernelExports = {
    ...module,
    taps: 'pairs',
    copyOut: (from, count, target, offset) =>
      target.set(new Uint8Array(module.memory.buffer, from, count), offset),
  };
  return backend === 'wasm' ? wasm : withNative(wasm, backend);
}
