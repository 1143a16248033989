import type { Interpolation } from '@cropstream/kernels';

export type JitterFactor = 'brightness' | 'contrast' | 'saturation' | 'hue';

/** Factors that a jitter applies, in the order drawn; the others are null. */
export interface ColorJitterParams {
  readonly order: readonly JitterFactor[];
  readonly brightness: number | null;
  readonly contrast: number | null;
  readonly saturation: number | null;
  readonly hue: number | null;
}

/** `kernel_size` with kind torchvision only. */
export interface BlurParams {
  readonly kind: 'pillow' | 'torchvision';
  readonly sigma: number;
  readonly kernel_size?: number;
}

/**
 * What was decided for one view of one sample. Keys stand in order of application; `null` or `false` means
 * not applied, whether it was drawn so or (at the end) the transform is not in the view's chain. Every real number is
 * a float32, so that tensors and JSON carry it exactly. A third-party transform's key is its name.
 */
export interface ViewParams {
  /** [x, y, width, height] in integer source pixels. */
  readonly box?: readonly [number, number, number, number];
  /** What the box is resized to: a side, or [width, height]. */
  readonly size?: number | readonly [number, number];
  /** What the whole image is resized to: [width, height]. */
  readonly resize?: readonly [number, number];
  readonly interpolation?: Interpolation;
  /** [x, y, width, height] in pixels of the image so far; parts outside are black. */
  readonly center_crop?: readonly [number, number, number, number];
  readonly flip?: boolean;
  readonly color_jitter?: ColorJitterParams | null;
  readonly grayscale?: boolean;
  readonly blur?: BlurParams | null;
  /** The threshold, 0 to 256. */
  readonly solarize?: number | null;
  readonly [thirdParty: string]: unknown;
}
