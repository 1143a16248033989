import { type CropstreamError, failure } from '@cropstream/errors';

/** What a dataset's own files say wrongly. */
export function malformed(path: string, reason: string, cause?: unknown): CropstreamError {
  return failure('DATASET_MALFORMED', { path, reason }, cause === undefined ? {} : { cause });
}
