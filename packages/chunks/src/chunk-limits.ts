const MIB = 1024 * 1024;

/** Bounds on what making chunks takes; none of them changes a chunk's bytes. */
export interface ChunkLimits {
  /** The largest chunk that is made; a run whose chunks are larger gets CHUNK_TOO_LARGE. */
  readonly maxChunkBytes: number;
  /** Bytes a sample that are set aside for its fields; longer ones cost a copy of the chunk. */
  readonly fieldBytes: number;
  /** Encoded bytes of samples that are read and not yet made. One larger sample is let in alone. */
  readonly readAheadBytes: number;
  /** Samples that are read and not yet made. */
  readonly readAheadSamples: number;
  /** Decoded bytes on their way from the decoder elsewhere to a compute thread. One larger image is let in alone. */
  readonly decodedBytes: number;
  /** WebAssembly memory that a compute thread keeps between images: a giant image's is let go. */
  readonly keepBytes: number;
}

/**
 * 256 MiB hold 64 samples of any recipe of docs/recipes.md as float32. The rest suits images of some
 * hundred kilobytes; docs/worker.md says when to change what.
 */
export const DEFAULT_CHUNK_LIMITS: ChunkLimits = {
  maxChunkBytes: 256 * MIB,
  fieldBytes: 256,
  readAheadBytes: 64 * MIB,
  readAheadSamples: 128,
  decodedBytes: 256 * MIB,
  keepBytes: 64 * MIB,
};
