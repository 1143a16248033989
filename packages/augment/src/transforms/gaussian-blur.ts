import { z } from 'zod';
import { interval, probability } from '../validation.js';
import type { BlurParams } from '../views/params.js';
import { float32, type Transform } from './transform.js';

export type GaussianBlur = {
  name: 'gaussian_blur';
  p: number;
  /** `pillow`: ImageFilter.GaussianBlur's box form; `torchvision`: GaussianBlur's kernel form. */
  kind: 'pillow' | 'torchvision';
  /** Drawn uniformly, in pixels; rounded to float32. */
  sigma: [number, number];
  /** Of kind torchvision: odd. */
  kernel_size?: number;
};

const LEAST_SIGMA = 0.01;
const MOST_SIGMA = 100;

const schema = z
  .strictObject({
    p: probability.default(0.5),
    kind: z.enum(['pillow', 'torchvision']).default('pillow'),
    sigma: z
      .union([z.number().min(LEAST_SIGMA).max(MOST_SIGMA), interval(LEAST_SIGMA, MOST_SIGMA)], {
        error: `a number in [${LEAST_SIGMA}, ${MOST_SIGMA}], or a pair [low, high]`,
      })
      .default([0.1, 2]),
    kernel_size: z
      .int()
      .min(3)
      .max(127)
      .refine((size) => size % 2 === 1, { error: 'an odd number' })
      .optional(),
  })
  .refine((blur) => blur.kind === 'torchvision' || blur.kernel_size === undefined, {
    path: ['kernel_size'],
    error: 'kind: torchvision with it (Pillow draws its own boxes from sigma)',
  })
  .transform(({ p, kind, sigma, kernel_size }): Omit<GaussianBlur, 'name'> => {
    const blur = { p, kind, sigma: typeof sigma === 'number' ? ([sigma, sigma] as [number, number]) : sigma };
    return kind === 'torchvision' ? { ...blur, kernel_size: kernel_size ?? 9 } : blur;
  });

function blurParams({ kind, kernel_size }: GaussianBlur, sigma: number): BlurParams {
  return kernel_size === undefined ? { kind, sigma } : { kind, sigma, kernel_size };
}

/** Decisions: 0 whether, 1 sigma. */
export const gaussianBlur: Transform<GaussianBlur> = {
  name: 'gaussian_blur',
  place: 'pixels',
  stage: 'blur',
  key: 'blur',
  schema,
  checkSize({ kernel_size = 1 }, [height, width]) {
    const most = 2 * Math.min(height, width) - 1;
    // Reflection reaches half a kernel beyond the edge, and there must be pixels to reflect.
    return kernel_size <= most
      ? undefined
      : { field: 'kernel_size', allowed: `at most ${most} in this view` };
  },
  absent: { blur: null },
  row: {
    columns: ['blur_sigma'],
    write: ({ blur }) => [blur?.sigma ?? null],
    read: (options, [sigma = null]) => ({ blur: sigma === null ? null : blurParams(options, sigma) }),
  },
  sample(options, draws) {
    const [lo, hi] = options.sigma;
    return { blur: draws.chance(0, options.p) ? blurParams(options, float32(draws.range(1, lo, hi))) : null };
  },
  apply(kernels, { blur }) {
    if (!blur) return;
    if (blur.kind === 'pillow') kernels.gaussianBlur(blur.sigma);
    else kernels.gaussianBlurKernel(blur.sigma, blur.kernel_size ?? 9);
  },
};
