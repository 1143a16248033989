import type { DecodeLimits, Source } from '@cropstream/augment';
import type { ShardFormatOptions, ShardSample } from '@cropstream/datasets';
import type { WireError } from '@cropstream/errors';
import type { Size } from './target-size.js';

/** An image for a thread to decode and make smaller. */
export interface ResizeTask {
  readonly source: Source;
  readonly path: string;
  readonly limits: DecodeLimits;
  readonly target: Size;
}

/** RGB pixels of the target size, or why its bytes are no image. */
export type ResizeAnswer = { readonly pixels: Uint8Array<ArrayBuffer> } | { readonly bad: WireError };

/** A shard for a thread to write. */
export interface EncodeTask {
  readonly format: string;
  readonly samples: readonly ShardSample[];
  readonly options: ShardFormatOptions;
}

/** A whole shard, or what the table of errors says of it, whose code an error would lose on the way. */
export type EncodeAnswer = { readonly bytes: Uint8Array } | { readonly failed: WireError };
