/** The filters of Pillow's `Image.resize` that the recipes use. */
export type Interpolation = 'bicubic' | 'bilinear';

/** A rectangle in whole pixels; `x` and `y` may lie outside the image where an operation pads. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export type Layout = 'nchw' | 'nhwc';
export type Dtype = 'uint8' | 'float32' | 'float16' | 'bfloat16';

/** torchvision's Normalize, a value a channel (R, G, B), in units of [0, 1]. */
export interface Normalization {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

export interface PackFormat {
  readonly dtype: Dtype;
  readonly layout: Layout;
  /** Ignored for uint8. */
  readonly normalization?: Normalization;
}

/** An RGB image: uint8 [height, width, 3], tightly packed. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Bytes of one channel of one pixel. */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = {
  uint8: 1,
  float32: 4,
  float16: 2,
  bfloat16: 2,
};
