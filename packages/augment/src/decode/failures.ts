import type { CropstreamError } from '@cropstream/errors';
import { failure } from '@cropstream/errors';
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

/** The bytes are a sound file of a kind, or of a variant of a kind, that is not decoded. */
export const unsupported = (path: string, format: string, fix: string): CropstreamError =>
  failure('SAMPLE_UNSUPPORTED', { path, format, fix });

export function checkBytes(path: string, bytes: number, limits: DecodeLimits): void {
  if (bytes > limits.maxBytes) {
    throw failure('SAMPLE_OVER_LIMIT', {
      path,
      value: bytes,
      unit: 'bytes',
      limit: limits.maxBytes,
      field: 'max_bytes',
    });
  }
}

export function checkPixels(path: string, width: number, height: number, limits: DecodeLimits): void {
  if (width * height > limits.maxPixels) {
    throw failure('SAMPLE_OVER_LIMIT', {
      path,
      value: `${width} x ${height} = ${width * height}`,
      unit: 'pixels',
      limit: limits.maxPixels,
      field: 'max_pixels',
    });
  }
}
