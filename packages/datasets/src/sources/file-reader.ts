import { CropstreamError, failure } from '@cropstream/errors';
import type { FileManifest } from '../manifests/file-manifest.js';
import type { Sample, SampleReader } from '../source.js';
import { type FileStat, type ReadOptions, type Storage, StorageError } from '../storage/storage.js';

/** Reads samples that are one encoded file each. */
export class FileReader implements SampleReader {
  readonly #manifest: FileManifest;
  readonly #storage: Storage;

  constructor(manifest: FileManifest, storage: Storage) {
    this.#manifest = manifest;
    this.#storage = storage;
  }

  async size(sampleId: number): Promise<number> {
    return this.#manifest.sizeOf(sampleId);
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const manifest = this.#manifest;
    const path = manifest.pathOf(sampleId);
    const size = manifest.sizeOf(sampleId);
    // One byte more than there should be: a file that grew shows itself without another call.
    const read = (fresh: boolean) =>
      readSample(this.#storage, manifest.storagePathOf(sampleId), path, { length: size + 1, fresh, signal });
    let bytes = await read(false);
    // A cache may have kept what the file was for a while: it may be as it was again.
    if (bytes.length !== size && this.#storage.cacheKey !== undefined) bytes = await read(true);
    if (bytes.length !== size) {
      const now = bytes.length < size ? `has only ${bytes.length}` : 'has more';
      throw failure('DATASET_CHANGED', {
        path,
        change: `had ${size} bytes when it was indexed and ${now} now`,
      });
    }
    return { encoded: bytes, label: manifest.labelOf(sampleId), path, fields: { path } };
  }

  async head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const path = this.#manifest.pathOf(sampleId);
    return readSample(this.#storage, this.#manifest.storagePathOf(sampleId), path, { length, signal });
  }

  close(): Promise<void> {
    return this.#storage.close();
  }
}

/**
 * Reads from a file that a manifest names.
 *
 * @param shownPath the path for messages
 * @throws SAMPLE_IO, DATASET_CHANGED, DATASET_DENIED, DATASET_MALFORMED, CANCELLED
 */
export async function readSample(
  storage: Storage,
  storagePath: string,
  shownPath: string,
  options: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await storage.read(storagePath, options);
  } catch (error) {
    throw await sampleFailure(error, storage, shownPath, options.signal);
  }
}

/** What a storage tells of a file that a manifest names. Throws as `readSample` does. */
export async function statSample(
  storage: Storage,
  storagePath: string,
  shownPath: string,
): Promise<FileStat> {
  try {
    return await storage.stat(storagePath);
  } catch (error) {
    throw await sampleFailure(error, storage, shownPath, undefined);
  }
}

/** What an error of a storage means for a sample. */
export async function sampleFailure(
  error: unknown,
  storage: Storage,
  path: string,
  signal: AbortSignal | undefined,
): Promise<CropstreamError> {
  if (error instanceof CropstreamError) return error;
  if (signal?.aborted) return failure('CANCELLED', { what: `reading ${path}` }, { cause: error });
  const cause = { cause: error };
  if (!(error instanceof StorageError)) return failure('SAMPLE_IO', { path, reason: String(error) }, cause);
  const { kind, reason } = error;
  switch (kind) {
    case 'not-found': {
      // A mount that went away takes every file with it; that is no change of the dataset.
      const rootIsThere = await storage.stat('').then(
        () => true,
        () => false,
      );
      if (rootIsThere) return failure('DATASET_CHANGED', { path, change: 'is missing' }, cause);
      return failure('SAMPLE_IO', { path, reason: `${storage.url} itself cannot be read` }, cause);
    }
    case 'changed':
      return failure('DATASET_CHANGED', { path, change: reason }, cause);
    case 'denied':
      return failure('DATASET_DENIED', { path, reason }, cause);
    case 'outside':
      return failure('DATASET_MALFORMED', { path, reason }, cause);
    case 'io':
      return failure('SAMPLE_IO', { path, reason }, cause);
  }
}
