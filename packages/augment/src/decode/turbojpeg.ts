import { checkBytes, checkPixels, damaged, nameOf, undecodable } from './failures.js';
import { readJpegHeader } from './jpeg/header.js';
import { settleScans } from './jpeg/scans.js';
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
 * libjpeg's warnings (JWRN_* in jerror.h), which Pillow decodes on after. The end of the file is one
 * of them, but scans have been settled before: it can only come within a header.
 */
const WARNING =
  /^(Unknown Adobe color transform|Corrupt JPEG data: |Inconsistent progression sequence|Warning: unknown JFIF|Invalid SOS parameters for sequential)/;

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
    const header = readJpegHeader(bytes, path);
    const { width, height, components, orientation } = header;
    checkPixels(path, width, height, limits);
    const settled = settleScans(bytes, header, path);
    const turn = options?.applyExif === true ? orientation : 1;
    this.withHandle((handle) => {
      this.check(handle, path, this.lib.decompressHeader(handle, settled, settled.length));
      if (
        this.lib.get(handle, TJPARAM_JPEGWIDTH) !== width ||
        this.lib.get(handle, TJPARAM_JPEGHEIGHT) !== height
      ) {
        throw undecodable(path, 'a damaged JPEG: it has two frame headers');
      }
      const decompress = (into: Uint8Array, format: number): void =>
        this.check(handle, path, this.lib.decompress(handle, settled, settled.length, into, 0, format));
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

  /**
   * The result of -1 stands for warnings too, and so does the error code of a failure that followed
   * a warning: only the text, which is the failure's or else the first warning's, tells them apart.
   */
  private check(handle: TjHandle, path: string, result: number): void {
    if (result === 0) return;
    const text = this.lib.errorText(handle);
    if (this.lib.errorCode(handle) === 0 && WARNING.test(text)) return;
    throw damaged(path, 'jpeg', text);
  }
}
