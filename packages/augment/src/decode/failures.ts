import { CropstreamError, type ErrorCode, failure } from '@cropstream/errors';
import { KernelLimitError, MAX_PIXELS, MAX_SIDE } from '@cropstream/kernels';
import type { DecodeLimits, DecodeOptions, ImageFormat } from './types.js';

/** The name to use in a message. */
export const nameOf = (options: DecodeOptions | undefined): string => options?.path ?? 'image';

/** The bytes are not a whole image; `reason` says what is wrong with them. */
export const undecodable = (path: string, reason: string): CropstreamError =>
  failure('SAMPLE_UNDECODABLE', { path, reason });

/**
 * What a decoding library said about a file. Only the bytes may make a sample bad: a library that
 * ran out of memory says nothing about them, and may succeed the next time.
 */
export const damaged = (path: string, format: ImageFormat, reason: string): CropstreamError =>
  /out of memory|insufficient memory|memory allocation|unable to allocate|cannot allocate/i.test(reason)
    ? failure('INTERNAL', { reason: `decoding ${path}: ${reason}` })
    : undecodable(path, `a damaged ${format.toUpperCase()}: ${reason}`);

/**
 * The bytes are a sound file of a kind, or of a variant of a kind, that is not decoded.
 * @param fix what to do, as a sentence
 */
export const unsupported = (path: string, format: string, fix: string): CropstreamError =>
  failure('SAMPLE_UNSUPPORTED', { path, format, fix });

const raise = (field: string) => `Raise limits.${field} in the spec, or shrink the file.`;

/** Fixed by the pixel kernels, whatever a spec says. */
const SHRINK = 'Shrink the file, or remove it: no setting raises this limit.';

/**
 * Refuses an encoded file by its size alone: to be asked before it is read, where its size is known.
 * @throws SAMPLE_OVER_LIMIT
 */
export function checkBytes(path: string, bytes: number, { maxBytes: limit }: DecodeLimits): void {
  if (bytes <= limit) return;
  throw failure('SAMPLE_OVER_LIMIT', { path, value: bytes, unit: 'bytes', limit, fix: raise('max_bytes') });
}

export function checkPixels(path: string, width: number, height: number, limits: DecodeLimits): void {
  const size = `${width} x ${height}`;
  if (width * height > limits.maxPixels) {
    throw failure('SAMPLE_OVER_LIMIT', {
      path,
      value: `${size} = ${width * height}`,
      unit: 'pixels',
      limit: limits.maxPixels,
      fix: raise('max_pixels'),
    });
  }
  if (Math.max(width, height) > MAX_SIDE) {
    throw failure('SAMPLE_OVER_LIMIT', {
      path,
      value: size,
      unit: 'pixels',
      limit: `${MAX_SIDE} a side`,
      fix: SHRINK,
    });
  }
}

const BAD_SAMPLE: ReadonlySet<ErrorCode> = new Set([
  'SAMPLE_UNDECODABLE',
  'SAMPLE_UNSUPPORTED',
  'SAMPLE_OVER_LIMIT',
]);

/** True for what a sample's own bytes are at fault for, and nothing else: the only reason to substitute. */
export function isBadSample(error: unknown): error is CropstreamError {
  return error instanceof CropstreamError && BAD_SAMPLE.has(error.code);
}

/** A kernel's word that an image is too long for it, as the sample's own error; any other error as it is. */
export function sampleFailure(error: unknown, path: string): unknown {
  if (!(error instanceof KernelLimitError)) return error;
  const details = { path, value: error.value, unit: 'pixels', limit: MAX_PIXELS, fix: SHRINK };
  return failure('SAMPLE_OVER_LIMIT', details, { cause: error });
}
