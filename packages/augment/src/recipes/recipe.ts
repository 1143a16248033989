import type { Normalization } from '@cropstream/kernels';
import type { z } from 'zod';
import type { viewsMapping } from '../views/view.js';

/** A named set of views, written as a user would write it in a spec. */
export interface Recipe {
  readonly name: string;
  /** Where its numbers come from, and what is special about them. */
  readonly source: string;
  /** What the trainer, or a `normalize` in a view's chain, normalises with. */
  readonly normalization: Normalization;
  readonly views: z.input<typeof viewsMapping>;
}

export const IMAGENET: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

type Chain = Readonly<Record<string, unknown>>[];

/** Everything that the recipes of DINO's family vary between the crop and the end of a chain. */
export interface ChainOptions {
  readonly flip?: boolean;
  /** Brightness, contrast, saturation, hue: torchvision's scalars. */
  readonly jitter: readonly [number, number, number, number];
  readonly jitterP?: number;
  readonly blur: Chain[number];
  /** Probability; left out, the view has none. */
  readonly solarizeP?: number;
}

/** Flip, jitter, grayscale, blur, solarize: the order of DINO and most others. */
export function chain({ flip = true, jitter, jitterP = 0.8, blur, solarizeP }: ChainOptions): Chain {
  const [brightness, contrast, saturation, hue] = jitter;
  const transforms: Chain = [
    { color_jitter: { p: jitterP, brightness, contrast, saturation, hue } },
    { grayscale: { p: 0.2 } },
    { gaussian_blur: blur },
  ];
  if (flip) transforms.unshift({ horizontal_flip: { p: 0.5 } });
  if (solarizeP !== undefined) transforms.push({ solarize: { p: solarizeP, threshold: 128 } });
  return transforms;
}

/** The same, with the flip last: MoCo's order. */
export function flipLast(options: ChainOptions): Chain {
  return [...chain({ ...options, flip: false }), { horizontal_flip: { p: 0.5 } }];
}

/** Pillow's ImageFilter.GaussianBlur, sigma U(0.1, 2). */
export const pillowBlur = (p: number) => ({ p, kind: 'pillow', sigma: [0.1, 2] });

/** torchvision's GaussianBlur, sigma U(0.1, 2). */
export const kernelBlur = (p: number, kernel_size: number) => ({
  p,
  kind: 'torchvision',
  kernel_size,
  sigma: [0.1, 2],
});
