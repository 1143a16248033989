import { checkBytes, checkPixels, nameOf, undecodable } from './failures.js';
import { readJpegHeader } from './jpeg/header.js';
import { convertPixels, invert } from './raw.js';
import { loadTurboJpegLibrary, type TjHandle, type TurboJpegLibrary } from './turbojpeg-library.js';
import type { DecodeLimits, DecodeOptions, PixelTarget } from './types.js';

// turbojpeg.h, 3.x: enum TJINIT, TJPARAM, TJPF.
const TJINIT_DECOMPRESS = 1;
const TJPARAM_JPEGWIDTH = 5;
const TJPARAM_JPEGHEIGHT = 6;
const TJPF_RGBX = 2;
const TJPF_CMYK = 11;

/**
 * Decodes JPEG on a compute thread by libjpeg-turbo's own API, straight into the kernels' memory:
 * accurate DCT and fancy upsampling (the API's defaults, and Pillow's), never scaled.
 */
export class TurboJpegDecoder {
  private constructor(private readonly lib: TurboJpegLibrary) {}

  /** The decoder of this thread, or `null` where no libturbojpeg >= 3.0 can be loaded. */
  static load(): TurboJpegDecoder | null {
    const lib = loadTurboJpegLibrary();
    return lib === null ? null : new TurboJpegDecoder(lib);
  }

  /** Which library decodes, for logs and for `doctor`. */
  get library(): string {
    return this.lib.path;
  }

  /**
   * Decodes a JPEG into room that it allocates in `target`. `bytes` are not copied and may lie in
   * a SharedArrayBuffer; nobody may write to them meanwhile.
   * @throws SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT
   */
  decodeInto(bytes: Uint8Array, target: PixelTarget, limits: DecodeLimits, options?: DecodeOptions): void {
    const path = nameOf(options);
    checkBytes(path, bytes.length, limits);
    const { width, height, components, orientation } = readJpegHeader(bytes, path);
    checkPixels(path, width, height, limits);
    const turn = options?.applyExif === true ? orientation : 1;
    this.withHandle((handle) => {
      this.check(handle, path, this.lib.decompressHeader(handle, bytes, bytes.length));
      if (
        this.lib.get(handle, TJPARAM_JPEGWIDTH) !== width ||
        this.lib.get(handle, TJPARAM_JPEGHEIGHT) !== height
      ) {
        throw undecodable(path, 'a damaged JPEG: it has two frame headers');
      }
      const decompress = (into: Uint8Array, format: number): void =>
        this.check(handle, path, this.lib.decompress(handle, bytes, bytes.length, into, 0, format));
      if (components === 4) {
        const ink = new Uint8Array(width * height * 4);
        decompress(ink, TJPF_CMYK);
        convertPixels(invert(ink), width, height, 'cmyk', turn, target);
      } else if (turn === 1) {
        decompress(target.allocateSource(width, height), TJPF_RGBX);
      } else {
        const upright = new Uint8Array(width * height * 4);
        decompress(upright, TJPF_RGBX);
        convertPixels(upright, width, height, 'rgb-alpha', turn, target);
      }
    });
  }

  /**
   * A handle keeps the quantisation and Huffman tables of the image before, for a file that has
   * none of its own; with a new one each time, pixels depend on nothing but the bytes.
   */
  private withHandle(use: (handle: TjHandle) => void): void {
    const handle = this.lib.init(TJINIT_DECOMPRESS);
    if (handle === null) throw new Error('tj3Init failed: out of memory');
    try {
      use(handle);
    } finally {
      this.lib.destroy(handle);
    }
  }

  private check(handle: TjHandle, path: string, result: number): void {
    if (result === 0) return;
    const text = this.lib.errorText(handle);
    if (this.lib.errorCode(handle) !== 0 || /premature end of jpeg file/i.test(text)) {
      throw undecodable(path, `a damaged JPEG: ${text}`);
    }
  }
}
