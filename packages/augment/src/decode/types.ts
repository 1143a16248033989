/** Formats that are decoded, by content. `ppm` stands for the Netpbm family P1 to P6 (PBM, PGM, PPM). */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'bmp' | 'ppm';

/** The EXIF orientation tag (0x0112): 1 is upright, 2..8 as in EXIF 2.32, section 4.6.4. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** What a file's header says, found without decoding pixels. */
export interface ImageHeader {
  readonly format: ImageFormat;
  /** Columns of the decoded image in pixels, before `applyExif`. */
  readonly width: number;
  /** Rows of the decoded image in pixels, before `applyExif`. */
  readonly height: number;
  /**
   * What `applyExif` would apply: from EXIF or, where that has none, from XMP, as
   * `PIL.ImageOps.exif_transpose` finds it. Always 1 for TIFF: its orientation tag is part of its
   * pixels (Pillow applies it while loading), so width and height are already the upright ones.
   */
  readonly orientation: Orientation;
}

/** Limits that are checked before any memory is taken for pixels. */
export interface DecodeLimits {
  /** Most pixels (width x height) that an image may have. */
  readonly maxPixels: number;
  /** Most bytes that an encoded file may have. */
  readonly maxBytes: number;
}

/**
 * 50 megapixels (200 MB decoded, RGBX) and 64 MiB: every photograph of the usual training sets and
 * of most cameras, and still bounded memory when every thread holds one at the limit.
 */
export const DEFAULT_DECODE_LIMITS: DecodeLimits = {
  maxPixels: 50_000_000,
  maxBytes: 64 * 1024 * 1024,
};

export interface DecodeOptions {
  /** Turn the image upright by its EXIF orientation. @default false, as torchvision's loader */
  readonly applyExif?: boolean;
  /**
   * JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where both sides stay so many pixels long at least, as by
   * Pillow's `Image.draft`. By TurboJPEG alone. @default undefined: at their own size
   */
  readonly draft?: number | undefined;
  /** The sample's name, for messages. @default 'image' */
  readonly path?: string;
}

/** Where decoded pixels go: `PixelKernels`, or anything else that can make room for a source. */
export interface PixelTarget {
  /** Room for `width * height` RGBX pixels, rows contiguous, aligned to 4 bytes. */
  allocateSource(width: number, height: number): Uint8Array;
}

/**
 * How the bytes of `RawPixels` are to be read. `cmyk` has 0 for no ink, as Pillow's CMYK mode;
 * `gray16` is one uint16 of the machine's byte order a pixel.
 */
export type PixelModel = 'gray' | 'gray-alpha' | 'rgb' | 'rgb-alpha' | 'cmyk' | 'gray16';

/**
 * Pixels as a decoder hands them over, before any conversion: plain data, whose buffer may be
 * transferred to a compute thread, where `loadRawInto` converts and turns them.
 */
export interface RawPixels {
  /** Columns, before `orientation` is applied. */
  readonly width: number;
  /** Rows, before `orientation` is applied. */
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  readonly model: PixelModel;
  /** To be applied by `loadRawInto`; 1 where nothing is to be turned. */
  readonly orientation: Orientation;
  /** `width * height * channels` samples, rows contiguous, alone in its ArrayBuffer. */
  readonly data: Uint8Array<ArrayBuffer>;
}
