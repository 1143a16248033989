import { CropstreamError, failure } from '@cropstream/errors';
import { StorageError } from './storage/storage.js';

/** What an error means to whoever indexes what lies at `url`. */
export function indexFailure(error: unknown, url: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof CropstreamError) return error;
  if (signal?.aborted) return failure('CANCELLED', { what: `indexing ${url}` }, { cause: error });
  if (!(error instanceof StorageError)) return error;
  const { kind, path, reason } = error;
  const cause = { cause: error };
  switch (kind) {
    case 'not-found':
      return failure(
        'DATASET_NOT_FOUND',
        { url, reason: path === '' ? reason : `${path}: ${reason}` },
        cause,
      );
    case 'denied':
      return failure('DATASET_DENIED', { path: url, reason }, cause);
    case 'changed':
      return failure('DATASET_CHANGED', { path: path || url, change: reason }, cause);
    case 'outside':
      return failure('DATASET_MALFORMED', { path: path || url, reason }, cause);
    case 'io':
      return failure('DATASET_UNAVAILABLE', { url, reason }, cause);
  }
}
