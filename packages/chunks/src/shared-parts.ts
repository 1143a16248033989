import {
  type DecodeLimits,
  type DecodeOptions,
  loadTransforms,
  type RawPixels,
  SharpDecoder,
  type TransformRegistry,
} from '@cropstream/augment';
import { loadSources, type SourceRegistry } from '@cropstream/datasets';
import { Budget } from './budget.js';
import { BufferPool } from './buffer-pool.js';
import { type ChunkLimits, DEFAULT_CHUNK_LIMITS } from './chunk-limits.js';
import { ComputePool, type DecoderChoice } from './compute-pool.js';
import { collectGarbage } from './garbage.js';

/** Of 64 samples of any recipe of docs/recipes.md as float32. */
const DEFAULT_BUFFER_BYTES = 256 * 1024 * 1024;
/** Decoded images from here on are counted: the engine's own collections deal with smaller ones. */
const LARGE_BYTES = 16 * 1024 * 1024;
/** libvips' buffers of large images that may await collection: three giants of 50 megapixels would be 450 MB. */
const GARBAGE_BYTES = 128 * 1024 * 1024;

/**
 * Decodes what compute threads do not: all but JPEG, and JPEG where TurboJPEG is not to be had. Called on
 * an event loop, it must not compute there. Takes the bytes for its own.
 */
export type DecodeElsewhere = (
  bytes: Uint8Array,
  limits: DecodeLimits,
  options: DecodeOptions,
) => Promise<RawPixels>;

export interface SharedPartsOptions {
  /** Compute threads: at least 1. */
  readonly threads: number;
  /** ES modules of third-party transforms. @default none */
  readonly transforms?: readonly string[];
  /** ES modules of third-party sources. @default none */
  readonly sources?: readonly string[];
  /** @default 'auto' */
  readonly decoder?: DecoderChoice;
  /** Memory of chunks' buffers, lent and free, up to which free ones are kept for later chunks. @default 256 MiB */
  readonly bufferBytes?: number;
  /** @default DEFAULT_CHUNK_LIMITS */
  readonly limits?: Partial<ChunkLimits>;
  /** @default sharp on this process's libuv pool: right on its main thread only */
  readonly decodeElsewhere?: DecodeElsewhere;
}

/** What the chunk makers of all runs in one process or cell share: threads, memory, and the bounds on both. */
export interface SharedParts {
  readonly pool: ComputePool;
  readonly buffers: BufferPool;
  readonly registry: TransformRegistry;
  readonly sources: SourceRegistry;
  readonly decodeElsewhere: DecodeElsewhere;
  readonly limits: ChunkLimits;
  /** Samples, encoded bytes and decoded bytes that are on their way to a compute thread. */
  readonly budgets: {
    readonly samples: Budget;
    readonly encoded: Budget;
    readonly decoded: Budget;
    /** Decodings elsewhere at once: as many as threads, so that their time is work and not waiting. */
    readonly elsewhere: Budget;
  };
  close(): Promise<void>;
}

/** @throws TRANSFORM_INVALID, SOURCE_INVALID for a module that is none */
export async function createSharedParts(options: SharedPartsOptions): Promise<SharedParts> {
  const { threads, transforms = [], decoder = 'auto', bufferBytes = DEFAULT_BUFFER_BYTES } = options;
  const limits = { ...DEFAULT_CHUNK_LIMITS, ...options.limits };
  const registry = await loadTransforms([...transforms]);
  const sources = await loadSources(options.sources ?? []);
  const pool = new ComputePool({ threads, transforms, decoder, keepBytes: limits.keepBytes });
  return {
    pool,
    buffers: new BufferPool(bufferBytes),
    registry,
    sources,
    decodeElsewhere: options.decodeElsewhere ?? sharpHere(),
    limits,
    budgets: {
      samples: new Budget(limits.readAheadSamples),
      encoded: new Budget(limits.readAheadBytes),
      decoded: new Budget(limits.decodedBytes),
      elsewhere: new Budget(threads),
    },
    close: () => pool.close(),
  };
}

/** sharp on this process's libuv pool: for its main thread. */
export function sharpHere(): DecodeElsewhere {
  const sharp = new SharpDecoder();
  let garbage = 0;
  return async (bytes, limits, options) => {
    const raw = await sharp.decode(bytes, limits, options);
    // What libvips decoded to was copied, and is let go of.
    if (raw.data.byteLength > LARGE_BYTES) garbage += raw.data.byteLength;
    if (garbage > GARBAGE_BYTES) {
      garbage = 0;
      collectGarbage();
    }
    return raw;
  };
}
