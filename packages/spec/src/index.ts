/**
 * Run specs: the one schema, loading from files, resolution and the digests that identify a run.
 * Whatever a user may write about a run is checked here and nowhere else.
 * No pixels, no network; only spec files are read.
 */
export { digestDifference, runDigest, STREAM_FORMAT } from './digest.js';
export { orderOf, planOf, type SampleCounts } from './epochs.js';
export { specJsonSchema } from './json-schema.js';
export { type LoadedSpec, loadSpecFile } from './load.js';
export { type ParseOptions, parseSpec } from './parse.js';
export { printSpec } from './print.js';
export {
  decodeLimits,
  decodeOptions,
  type ResolvedSpec,
  type RunSpecInput,
  runSpecSchema,
  SPEC_LIMITS,
} from './schema.js';
