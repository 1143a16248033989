/**
 * Pixel operations with Pillow's and torchvision's exact results: SIMD kernels (`PixelKernels`) and their plain
 * oracles (`reference`), and the checksum of what they make. No files, no decoding, no randomness, no knowledge of recipes.
 */
export { KernelMemoryError } from './arena.js';
export { KernelLimitError, MAX_PIXELS, MAX_SIDE } from './arguments.js';
export { crc32, JoinedCrc32 } from './crc32.js';
export { PixelKernels } from './pixel-kernels.js';
export * as reference from './reference/index.js';
export type { Box, Dtype, Interpolation, Layout, Normalization, PackFormat, Pixels } from './types.js';
export { type Backend, backends } from './wasm-module.js';
