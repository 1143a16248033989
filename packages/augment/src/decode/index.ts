// Decoding: from a file's bytes to RGBX pixels, the same as Pillow's Image.open(f).convert("RGB"),
// whichever library does it, and the same verdict about damaged files. No file or network I/O here,
// no cropping; sizes are the file's own unless a draft is asked for.
export { drafted } from './draft.js';
export { findOrientation } from './exif.js';
export { checkBytes, isBadSample, sampleFailure } from './failures.js';
export { readHeader } from './image.js';
export { loadRawInto } from './raw.js';
export { SharpDecoder } from './sharp.js';
export { type Sniffed, sniff } from './sniff.js';
export { loadSource, prepareSource, type SampleContent, type Source } from './source.js';
export { ThreadDecoder } from './thread.js';
export { TurboJpegDecoder } from './turbojpeg.js';
export {
  DEFAULT_DECODE_LIMITS,
  type DecodeLimits,
  type DecodeOptions,
  type ImageFormat,
  type ImageHeader,
  type Orientation,
  type PixelModel,
  type PixelTarget,
  type RawPixels,
} from './types.js';
