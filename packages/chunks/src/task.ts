import type { Source, Stage } from '@cropstream/augment';
import type { WireError } from '@cropstream/errors';
import type { ResolvedSpec } from '@cropstream/spec';

/** What of a run decides about the pixels of a sample: what a compute thread needs to know of it. */
export interface PixelProgram {
  readonly seed: number;
  readonly views: ResolvedSpec['views'];
  readonly layout: ResolvedSpec['output']['layout'];
  readonly maxPixels: number;
  readonly maxBytes: number;
  readonly exifRotation: boolean;
  /** Absent where JPEGs are decoded whole. */
  readonly draft?: number | undefined;
}

export interface ImageTask {
  readonly row: number;
  /** The draw (see the schedule package): what the sample's random numbers are keyed by. */
  readonly draw: number;
  readonly path: string;
  readonly source: Source;
}

/** Some images of one chunk, for one thread. */
export interface ComputeTask {
  /** PixelProgram as JSON: a string crosses threads cheaply, and threads keep what they compiled by it. */
  readonly program: string;
  readonly epoch: number;
  /** Rows of the whole chunk. */
  readonly samples: number;
  /** The chunk's payload. */
  readonly payload: SharedArrayBuffer;
  readonly images: readonly ImageTask[];
}

/** What comes back: a result, or what failed the whole task, which as an error would lose its code on the way. */
export type ComputeAnswer = { readonly result: ComputeResult } | { readonly failed: WireError };

export interface ComputeResult {
  /** For each image, in the task's order: null, or why its bytes make no sample. */
  readonly bad: readonly (WireError | null)[];
  /** float32[images, views, PARAM_COLUMNS.length]; rows of bad images are zero. */
  readonly params: Float32Array;
  /** uint32[images, views]: CRC-32 of each view as it lies in the payload. */
  readonly checksums: Uint32Array;
  /** Milliseconds a stage, over all images. */
  readonly timings: Readonly<Record<Stage, number>>;
}

/** What each compute thread is started with. */
export interface ThreadOptions {
  /** ES modules of third-party transforms. */
  readonly transforms: readonly string[];
  /** True: JPEGs are decoded by TurboJPEG on the thread. */
  readonly jpeg: boolean;
  /** WebAssembly memory that a thread keeps from one image to the next. */
  readonly keepBytes: number;
}

/** What a thread says of itself once it has loaded its code. */
export const LOADED = 'loaded';
