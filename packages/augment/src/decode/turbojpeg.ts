import { drafted } from './draft.js';
import { checkBytes, checkPixels, damaged, nameOf, unsupported } from './failures.js';
import { type JpegHeader, readJpegHeader } from './jpeg/header.js';
import { isOneHuffmanScan, settleScans } from './jpeg/scans.js';
import { convertPixels, invert } from './raw.js';
import { loadTurboJpegLibrary, type TjHandle, type TurboJpegLibrary } from './turbojpeg-library.js';
import type { DecodeLimits, DecodeOptions, PixelTarget } from './types.js';

// turbojpeg.h, 3.x: enum TJINIT, TJPARAM, TJPF.
const TJINIT_DECOMPRESS = 1;
const TJPARAM_JPEGWIDTH = 5;
const TJPARAM_JPEGHEIGHT = 6;
const TJPARAM_LOSSLESS = 15;
const TJPF_RGBX = 2;
const TJPF_CMYK = 11;

/**
 * libjpeg's warnings (JWRN_* in jerror.h), which Pillow decodes on after. The end of the file is one
 * of them, but scans have been settled before: it can only come within a header.
 */
const WARNING =
  /^(Unknown Adobe color transform|Corrupt JPEG data: |Inconsistent progression sequence|Warning: unknown JFIF|Invalid SOS parameters for sequential)/;

/** What libjpeg says against a file. */
interface Problem {
  readonly text: string;
  /** Pillow would refuse the file, not decode on. */
  readonly fatal: boolean;
}

/**
 * Decodes JPEG on a compute thread by libjpeg-turbo's own API, straight into the kernels' memory:
 * accurate DCT and fancy upsampling (the API's defaults, and Pillow's).
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
    const { components, orientation } = header;
    checkPixels(path, header.width, header.height, limits);
    const { width, height, reduction } = drafted({ format: 'jpeg', ...header }, options?.draft);
    const turn = options?.applyExif === true ? orientation : 1;
    const inPlace = components !== 4 && turn === 1;
    const pixels = inPlace ? target.allocateSource(width, height) : new Uint8Array(width * height * 4);
    // What libjpeg reads to the end marker without a warning needs no closer look: it would have to find one of them.
    const whole =
      isOneHuffmanScan(bytes, header) && this.decompress(bytes, header, path, reduction, pixels) === null;
    if (!whole) {
      const problem = this.decompress(settleScans(bytes, header, path), header, path, reduction, pixels);
      if (problem?.fatal) throw damaged(path, 'jpeg', problem.text);
    }
    if (components === 4) convertPixels(invert(pixels), width, height, 'cmyk', turn, target);
    else if (!inPlace) convertPixels(pixels, width, height, 'rgb-alpha', turn, target);
  }

  /**
   * Decompresses to RGBX or CMYK, four bytes a pixel; gives what libjpeg says against the file.
   *
   * A handle keeps the quantisation and Huffman tables of the image before, for a file that has
   * none of its own; with a new one each time, pixels depend on nothing but the bytes.
   */
  private decompress(
    jpeg: Uint8Array,
    { width, height, components }: JpegHeader,
    path: string,
    reduction: number,
    pixels: Uint8Array,
  ): Problem | null {
    const handle = this.lib.init(TJINIT_DECOMPRESS);
    if (handle === null) throw new Error('tj3Init failed: out of memory');
    try {
      const header = this.problem(handle, this.lib.decompressHeader(handle, jpeg, jpeg.length));
      if (header?.fatal) return header;
      if (
        this.lib.get(handle, TJPARAM_JPEGWIDTH) !== width ||
        this.lib.get(handle, TJPARAM_JPEGHEIGHT) !== height
      ) {
        return { text: 'it has two frame headers', fatal: true };
      }
      if (reduction > 1) {
        // libjpeg scales no lossless file: it would write the whole image where there is room for its draft.
        if (this.lib.get(handle, TJPARAM_LOSSLESS) === 1) {
          throw unsupported(path, 'a lossless JPEG as a draft', 'Convert it: `djpeg -bmp FILE > FILE.bmp`.');
        }
        if (this.lib.setScalingFactor(handle, { num: 1, denom: reduction }) !== 0) {
          throw new Error(`tj3SetScalingFactor failed: ${this.lib.errorText(handle)}`);
        }
      }
      const format = components === 4 ? TJPF_CMYK : TJPF_RGBX;
      const result = this.lib.decompress(handle, jpeg, jpeg.length, pixels, 0, format);
      return this.problem(handle, result) ?? header;
    } finally {
      this.lib.destroy(handle);
    }
  }

  /**
   * The result of -1 stands for warnings too, and so does the error code of a failure that followed
   * a warning: only the text, which is the failure's or else the first warning's, tells them apart.
   */
  private problem(handle: TjHandle, result: number): Problem | null {
    if (result === 0) return null;
    const text = this.lib.errorText(handle);
    return { text, fatal: this.lib.errorCode(handle) !== 0 || !WARNING.test(text) };
  }
}
