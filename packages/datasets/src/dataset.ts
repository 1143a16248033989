import { CropstreamError, failure } from '@cropstream/errors';
import type { Manifest } from './manifest.js';
import type { DatasetSource, IndexedDataset, IndexProgress, SampleReader } from './source.js';
import { type DatasetConfig, SOURCES } from './sources/index.js';
import { openStorage } from './storage/open.js';
import { StorageError } from './storage/storage.js';
import { takeSubset } from './subset.js';

/**
 * Finds a dataset's samples.
 *
 * @param report called ten times a second at most, and once at the end
 * @throws DATASET_NOT_FOUND, DATASET_DENIED, DATASET_UNAVAILABLE when its url cannot be read
 * @throws DATASET_EMPTY, DATASET_MALFORMED when what is there is not a dataset of its source
 * @throws SPEC_INVALID for a subset that is not of this dataset
 * @throws CANCELLED when aborted
 */
export async function indexDataset(
  config: DatasetConfig,
  report?: (progress: IndexProgress) => void,
  signal?: AbortSignal,
): Promise<IndexedDataset> {
  const storage = openStorage(config.url);
  try {
    const { manifest, notices } = await sourceOf(config.source).index(config, storage, { report, signal });
    if (config.subset === undefined) return { manifest, notices };
    return { manifest: await takeSubset(manifest, config.subset), notices };
  } catch (error) {
    throw indexFailure(error, config.url, signal);
  } finally {
    await storage.close();
  }
}

/** A reader of a manifest's samples, from wherever `config.url` says that the dataset now is. */
export function openDataset(config: Pick<DatasetConfig, 'url'>, manifest: Manifest): SampleReader {
  return sourceOf(manifest.source).open(manifest, openStorage(config.url));
}

function sourceOf(name: string): DatasetSource {
  const source = Object.hasOwn(SOURCES, name) ? SOURCES[name] : undefined;
  if (source) return source;
  throw failure('SPEC_INVALID', {
    field: 'dataset.source',
    value: JSON.stringify(name),
    allowed: `one of ${Object.keys(SOURCES).join(', ')}`,
  });
}

function indexFailure(error: unknown, url: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof CropstreamError) return error;
  if (signal?.aborted) return failure('CANCELLED', { what: `indexing ${url}` }, { cause: error });
  if (!(error instanceof StorageError)) return error;
  const { kind, path, reason } = error;
  const cause = { cause: error };
  switch (kind) {
    case 'not-found':
      return failure('DATASET_NOT_FOUND', { url, reason }, cause);
    case 'denied':
      return failure('DATASET_DENIED', { path: url, reason }, cause);
    case 'changed':
      return failure('DATASET_CHANGED', { path, change: reason }, cause);
    case 'outside':
      return failure('DATASET_MALFORMED', { path, reason }, cause);
    case 'io':
      return failure('DATASET_UNAVAILABLE', { url, reason }, cause);
  }
}
