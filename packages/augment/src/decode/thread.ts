import { checkBytes, checkPixels, nameOf } from './failures.js';
import { formatOf, readHeader } from './image.js';
import { PLAIN_READERS } from './plain/index.js';
import { convertPixels } from './raw.js';
import { TurboJpegDecoder } from './turbojpeg.js';
import type { DecodeLimits, DecodeOptions, PixelTarget } from './types.js';

/**
 * Everything that a compute thread decodes by itself: JPEG where TurboJPEG is to be had, and GIF,
 * BMP and Netpbm always. Ask `decodes` first; what it refuses goes to `SharpDecoder` on the main
 * thread, and its result to `loadRawInto`.
 */
export class ThreadDecoder {
  constructor(private readonly jpeg: TurboJpegDecoder | null = TurboJpegDecoder.load()) {}

  /** True where `decodeInto` takes these bytes; kinds that nobody decodes throw as `decodeInto` does. */
  decodes(bytes: Uint8Array, path = 'image'): boolean {
    const format = formatOf(bytes, path);
    return format === 'jpeg' ? this.jpeg !== null : PLAIN_READERS[format] !== undefined;
  }

  /** @throws SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT */
  decodeInto(bytes: Uint8Array, target: PixelTarget, limits: DecodeLimits, options?: DecodeOptions): void {
    const path = nameOf(options);
    checkBytes(path, bytes.length, limits);
    const format = formatOf(bytes, path);
    if (format === 'jpeg' && this.jpeg !== null) {
      this.jpeg.decodeInto(bytes, target, limits, options);
      return;
    }
    const read = PLAIN_READERS[format];
    if (read === undefined) throw new Error(`${path}: ${format} is not decoded on a compute thread`);
    const header = readHeader(bytes, path);
    checkPixels(path, header.width, header.height, limits);
    const { width, height, model, data } = read(bytes, path);
    convertPixels(data, width, height, model, 1, target);
  }
}
