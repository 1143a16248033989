/** Files directly in one folder, columnar: `sizes[i]` is the size of `names[i]` in bytes. */
export interface FolderListing {
  /** Names of the folders in it, unsorted. */
  readonly folders: string[];
  /** Names of the accepted files in it, unsorted. */
  readonly names: string[];
  readonly sizes: Float64Array;
}

export interface ListOptions {
  /** Files that it refuses are not listed, and not looked at (a size may cost a call each). */
  readonly accept?: (name: string) => boolean;
  /** Told of each entry that has an accepted name but cannot be a sample. */
  readonly skipped?: (path: string, reason: string) => void;
  /** Told of files as they are found, so that a large folder shows progress. */
  readonly found?: (files: number, bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions {
  /** First byte to read; 0 by default. */
  readonly offset?: number;
  /** Bytes to read at most; to the end by default. */
  readonly length?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Where a dataset's files are. Paths are relative to the storage's root (see paths.ts); '' is the root.
 * Calls retry transient failures themselves; how many calls run at once is the caller's choice.
 *
 * Every call throws StorageError when it fails, and the signal's reason when it is aborted.
 */
export interface Storage {
  /** The root, for messages. */
  readonly url: string;
  list(folder: string, options?: ListOptions): Promise<FolderListing>;
  /** The size in bytes of a file. */
  stat(path: string, signal?: AbortSignal): Promise<{ readonly size: number }>;
  /** The bytes of a file, fewer than asked for only at its end. They stand at the start of an ArrayBuffer of their own. */
  read(path: string, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** What a storage throws; sources turn it into the table's errors. */
export class StorageError extends Error {
  override readonly name = 'StorageError';

  constructor(
    /** `not-found`: surely not there. `io`: could not be read, after retries. */
    readonly kind: 'not-found' | 'io',
    readonly path: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`${path}: ${reason}`, options);
  }
}
