/**
 * The oracles: every operation in plain TypeScript, as slow and as plain as the formula reads (docs/kernels.md).
 * Each takes and returns uint8 RGB images; the SIMD kernels are held equal to them in every bit.
 * No WebAssembly, no caching, no shortcuts here: nothing that a kernel could get wrong in the same way.
 */
export { brightness, contrast, grayscale, luma, saturation } from './color.js';
export { type BoxWeights, boxBlurHorizontal, boxWeights, gaussianBlur } from './gaussian-blur.js';
export { crop, flipHorizontal } from './geometry.js';
export { hsvToRgb, hue, hueShift, rgbToHsv } from './hue.js';
export { gaussianBlurKernel, kernelWeights } from './kernel-blur.js';
export { bfloat16Bits, float16Bits, pack, packTable } from './pack.js';
export { filterTaps, resize } from './resize.js';
export { solarize } from './solarize.js';
