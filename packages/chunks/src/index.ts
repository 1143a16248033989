/**
 * Chunks of a run, made on a pool of threads within bounds on memory: samples read ahead, decoded once, every view
 * made, bad samples replaced. No jobs, no delivery, no order of samples: whoever asks says which samples.
 */
export { Budget } from './budget.js';
export { type ChunkLimits, DEFAULT_CHUNK_LIMITS } from './chunk-limits.js';
export { ChunkMaker, type ChunkMakerOptions, type ChunkRequest, type MadeChunk } from './chunk-maker.js';
export type { DecoderChoice } from './compute-pool.js';
export type { Column, ColumnDtype } from './layout.js';
export type { Substitution } from './sample-maker.js';
export {
  createSharedParts,
  type DecodeElsewhere,
  type SharedParts,
  type SharedPartsOptions,
  sharpHere,
} from './shared-parts.js';
export { type Attempt, type BadSample, type Delivered, withStandIn } from './stand-in.js';
