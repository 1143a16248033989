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
  /** The version that `stat` told: another one now is an error, `changed`. Ignored where there are no versions. */
  readonly version?: string | undefined;
  /**
   * The file must lie inside the root when links are followed: for names that come out of a dataset's files. Objects
   * have no links.
   */
  readonly inside?: boolean;
  /** From where the data lies, not from a cache, which then has these bytes. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface FileStat {
  /** Bytes. */
  readonly size: number;
  /** An object's ETag: other bytes, another version. Absent where the storage has none. */
  readonly version?: string;
}

/**
 * Where a dataset's files are. Paths are relative to the storage's root (see paths.ts); '' is the root. A path that
 * would leave the root is refused by every call.
 * Calls retry transient failures themselves; how many calls run at once is the caller's choice.
 *
 * Every call throws StorageError when it fails, and the signal's reason when it is aborted.
 */
export interface Storage {
  /** The root, for messages. */
  readonly url: string;
  /** Tells this storage's files from any other's, where reading them is dear enough to be cached. */
  readonly cacheKey?: string;
  list(folder: string, options?: ListOptions): Promise<FolderListing>;
  stat(path: string, signal?: AbortSignal): Promise<FileStat>;
  /** The bytes of a file, fewer than asked for only at its end. They stand at the start of an ArrayBuffer of their own. */
  read(path: string, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/**
 * - `not-found`: surely not there
 * - `denied`: no permission, or credentials that are missing or wrong
 * - `changed`: there, in another version than the one asked for
 * - `outside`: the path leads, or would lead, out of the root
 * - `io`: could not be read, after retries
 */
export type StorageErrorKind = 'not-found' | 'denied' | 'changed' | 'outside' | 'io';

/** What a storage throws; sources turn it into the table's errors. */
export class StorageError extends Error {
  override readonly name = 'StorageError';

  constructor(
    readonly kind: StorageErrorKind,
    readonly path: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`${path}: ${reason}`, options);
  }
}
