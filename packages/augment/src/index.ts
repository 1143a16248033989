/**
 * From (bytes, key) to crops: random streams, views, transforms and recipes, parameter sampling, decoding.
 * A view is resolved once, compiled once, then sampled and applied a sample at a time.
 * No files, no network, no threads, no knowledge of runs beyond a seed and an epoch.
 */
export * from './decode/index.js';
export { pixelFingerprint } from './fingerprint/fingerprint.js';
export { exp, log } from './random/elementary.js';
export { Draws, Stream } from './random/stream.js';
export { checkViewKeys, type ViewIdentity, viewKey } from './random/view-key.js';
export { IMAGENET, RECIPES, type Recipe } from './recipes/index.js';
export { normalizationSchema } from './transforms/normalize.js';
export { BUILT_IN, TransformRegistry } from './transforms/registry.js';
export { MAX_VIEW_SIDE } from './transforms/size.js';
export {
  loadTransforms,
  type RgbImage,
  type ThirdPartyTransform,
  type TransformRandom,
} from './transforms/third-party.js';
export type { ImageSize, ResolvedTransform, Transform } from './transforms/transform.js';
export {
  checkKeys,
  invalid,
  limited,
  parseField,
  seedField,
} from './validation.js';
export { applyParams } from './views/apply.js';
export { CompiledView, compileViews, type SampleAddress } from './views/compile.js';
export { PARAM_COLUMNS, paramsToRow, rowToParams } from './views/param-table.js';
export type { BlurParams, ColorJitterParams, JitterFactor, ViewParams } from './views/params.js';
export { resolveViews } from './views/resolve.js';
export { viewNotices } from './views/slips.js';
export { type Stage, StageTimings } from './views/timings.js';
export { MAX_VIEWS, type ResolvedView, type ViewInput, type ViewsInput, viewsInput } from './views/view.js';
