/**
 * The crop-worker: samples in, finished chunks out. The chunk maker (chunk/), the worker that takes jobs and
 * serves what it made (worker/), and the cells that spread workers over cores (cells/).
 * No scheduling, no digests, no order of samples: coordinators decide what is made.
 */
export { type ChunkLimits, DEFAULT_CHUNK_LIMITS } from './chunk/chunk-limits.js';
export {
  ChunkMaker,
  type ChunkMakerOptions,
  type ChunkRequest,
  type MadeChunk,
} from './chunk/chunk-maker.js';
export { ComputePool, type ComputePoolOptions, type DecoderChoice } from './chunk/compute-pool.js';
export { ChunkLayout, type Column, type ColumnDtype, type FieldColumn } from './chunk/layout.js';
export type { Substitution } from './chunk/sample-maker.js';
export {
  createSharedParts,
  type DecodeElsewhere,
  type SharedParts,
  type SharedPartsOptions,
  sharpHere,
} from './chunk/shared-parts.js';
