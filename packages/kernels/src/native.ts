import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import type { KernelExports } from './wasm-module.js';

/** Instructions that the native kernels were compiled for. */
export type NativeLevel = 'avx512' | 'avx2';

type Parameter = 'uint32_t' | 'int32_t' | 'float' | 'size_t' | 'void *';
type Signature = readonly [result: 'void' | 'double', ...parameters: Parameter[]];

const u32 = (count: number): 'uint32_t'[] => new Array<'uint32_t'>(count).fill('uint32_t');

/** What native/kernels.c has; all else is WebAssembly's. The memory comes before these parameters. */
const SIGNATURES = {
  bandFromRgbx: ['void', ...u32(6)],
  horizontal: ['void', ...u32(9)],
  vertical: ['void', ...u32(7)],
  blendConstant: ['void', ...u32(2), 'int32_t', 'float'],
  lumaSum: ['double', ...u32(3)],
  saturation: ['void', ...u32(3), 'float'],
  grayscale: ['void', ...u32(3)],
  hue: ['void', ...u32(3), 'int32_t'],
  flipRows: ['void', ...u32(4)],
  lookup2: ['void', ...u32(5)],
  lookup4: ['void', ...u32(5)],
  copyOut: ['void', ...u32(2), 'void *', 'size_t'],
  smallBlur: ['void', ...u32(4), 'int32_t', ...u32(3)],
} as const satisfies Partial<Record<keyof KernelExports, Signature>>;

type NativeName = keyof typeof SIGNATURES;
type NativeFunction = (memory: Uint8Array, ...args: (number | Uint8Array)[]) => number;

let loaded:
  | { readonly library: ReturnType<typeof koffi.load>; readonly levels: readonly NativeLevel[] }
  | null
  | undefined;

/** The levels that were built and that this processor runs, the fastest first; none is nothing but slower. */
export function nativeLevels(): readonly NativeLevel[] {
  return load()?.levels ?? [];
}

function load() {
  if (loaded !== undefined) return loaded;
  loaded = null;
  const path = fileURLToPath(new URL('../dist/kernels-native.so', import.meta.url));
  if (!existsSync(path)) return loaded;
  try {
    const library = koffi.load(path);
    const level: number = library.func('cropstream_level', 'int', [])();
    const levels = (['avx512', 'avx2'] as const).slice(2 - level);
    if (levels.length > 0) loaded = { library, levels };
  } catch {
    // Of another machine or C library: WebAssembly does without.
  }
  return loaded;
}

/** zlib's CRC-32 by carry-less multiplication, five times as fast; `null` where there are no native kernels. */
export function nativeCrc32(): ((bytes: Uint8Array, before?: number) => number) | null {
  const native = load()?.library.func('cropstream_crc32', 'uint32_t', ['void *', 'size_t', 'uint32_t']);
  return native === undefined ? null : (bytes, before = 0) => native(bytes, bytes.byteLength, before);
}

/** The native kernels on the memory of `wasm`, in place of those of the same names. */
export function withNative(wasm: KernelExports, level: NativeLevel): KernelExports {
  const found = load();
  if (!found?.levels.includes(level)) throw new Error(`There are no native kernels for ${level} here`);
  const { memory } = wasm;
  let bytes = new Uint8Array(memory.buffer);
  const functions = Object.entries(SIGNATURES).map(([name, [result, ...parameters]]) => {
    const native: NativeFunction = found.library.func(`${name}_${level}`, result, ['void *', ...parameters]);
    const kernel = (...args: (number | Uint8Array)[]) => {
      // Memory that grew has another buffer.
      if (bytes.buffer !== memory.buffer) bytes = new Uint8Array(memory.buffer);
      return native(bytes, ...args);
    };
    return [name, kernel];
  });
  const taps = level === 'avx512' ? 'quads' : wasm.taps;
  return { ...wasm, taps, ...(Object.fromEntries(functions) as Pick<KernelExports, NativeName>) };
}
