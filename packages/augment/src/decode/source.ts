import { checkBytes, checkPixels } from './failures.js';
import { readHeader } from './image.js';
import { loadRawInto } from './raw.js';
import type { ThreadDecoder } from './thread.js';
import type { DecodeLimits, DecodeOptions, ImageHeader, PixelTarget, RawPixels } from './types.js';

/** What a dataset has of a sample: an encoded file, or RGB pixels, uint8 [height, width, 3]. */
export interface SampleContent {
  readonly path: string;
  readonly encoded?: Uint8Array;
  readonly pixels?: {
    readonly width: number;
    readonly height: number;
    readonly data: Uint8Array<ArrayBuffer>;
  };
}

/** A sample as `loadSource` takes it: what its thread decodes by itself, or pixels. Plain data. */
export type Source =
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'raw'; readonly raw: RawPixels };

/** Decodes what a ThreadDecoder does not. Limits are its own to check: the header's are checked before. */
export type DecodeElsewhere = (bytes: Uint8Array, header: ImageHeader) => Promise<RawPixels>;

/**
 * Brings a sample to where `loadSource` can go on: bytes that are decoded elsewhere are decoded here.
 * @param decodes what the thread of `loadSource` decodes, as `ThreadDecoder.decodes`
 * @throws SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT
 */
export async function prepareSource(
  { path, encoded, pixels }: SampleContent,
  decodes: (bytes: Uint8Array, path: string) => boolean,
  limits: DecodeLimits,
  elsewhere: DecodeElsewhere,
): Promise<Source> {
  if (pixels) return { kind: 'raw', raw: { ...pixels, channels: 3, model: 'rgb', orientation: 1 } };
  const bytes = encoded ?? new Uint8Array(0);
  checkBytes(path, bytes.length, limits);
  if (decodes(bytes, path)) return { kind: 'encoded', bytes };
  const header = readHeader(bytes, path);
  checkPixels(path, header.width, header.height, limits);
  return { kind: 'raw', raw: await elsewhere(bytes, header) };
}

/**
 * Loads a prepared sample into the kernels.
 * @throws SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT
 */
export function loadSource(
  source: Source,
  target: PixelTarget,
  decoder: ThreadDecoder,
  limits: DecodeLimits,
  options?: DecodeOptions,
): void {
  if (source.kind === 'raw') loadRawInto(source.raw, target);
  else decoder.decodeInto(source.bytes, target, limits, options);
}
