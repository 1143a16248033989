import { failure } from '@cropstream/errors';
import type { PixelKernels } from '@cropstream/kernels';
import type { TransformRegistry } from '../transforms/registry.js';
import type { ViewParams } from './params.js';
import type { StageTimings } from './timings.js';

/** Keys that belong to the decision before them. */
const COMPANIONS = new Set(['size', 'interpolation']);

/**
 * Makes the view that `params` describes from the source loaded in `kernels`, in the order of their keys. This is
 * all that ever makes pixels, so parameters read back from JSON give the same bytes.
 * @throws SPEC_INVALID for a key that no transform owns
 */
export function applyParams(
  kernels: PixelKernels,
  params: ViewParams,
  registry: TransformRegistry,
  timings?: StageTimings,
): void {
  kernels.begin();
  for (const key of Object.keys(params)) {
    if (COMPANIONS.has(key)) continue;
    const transform = registry.ofKey(key);
    if (transform === undefined) {
      throw failure('SPEC_INVALID', {
        field: key,
        value: JSON.stringify(params[key]),
        allowed: "a transform's parameter",
      });
    }
    if (timings === undefined) transform.apply(kernels, params);
    else timings.measure(transform.stage, () => transform.apply(kernels, params));
  }
}
