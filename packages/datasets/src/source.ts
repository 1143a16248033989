import type { ZodObject, ZodType } from 'zod';
import type { FileManifest } from './manifests/file-manifest.js';
import type { Manifest } from './manifests/manifest.js';
import type { ShardManifest } from './manifests/shard-manifest.js';
import type { ShardMemory } from './shard-memory.js';
import type { Storage } from './storage/storage.js';

/** One sample as its source has it: encoded bytes, or pixels where the source stores pixels. */
export interface Sample {
  /** An image file's bytes, undecoded. */
  readonly encoded?: Uint8Array<ArrayBuffer>;
  /** RGB, tightly packed, rows top to bottom: 3 * width * height bytes. */
  readonly pixels?: {
    readonly width: number;
    readonly height: number;
    readonly data: Uint8Array<ArrayBuffer>;
  };
  /** An index into the manifest's classes, or -1. */
  readonly label: number;
  readonly path: string;
  /** What rides with the sample by name, `path` among it: the manifest's `fields`. */
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Reads samples by id. Calls are independent; how many run at once is the caller's choice. */
export interface SampleReader {
  /**
   * Bytes of memory that `read` takes for the sample's image as it is stored: known before it is read, so that limits and
   * budgets hold. Throws as `read` does.
   */
  size(sampleId: number, signal?: AbortSignal): Promise<number>;
  /**
   * @throws SAMPLE_IO when reading failed, retries included
   * @throws DATASET_CHANGED when the sample is gone, or is not of the size that the manifest has
   * @throws CANCELLED when aborted
   */
  read(sampleId: number, signal?: AbortSignal): Promise<Sample>;
  /**
   * The first bytes of a sample's file, at most `length`; null where samples are not files that could be of
   * another kind. Throws as `read` does.
   */
  head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** How far indexing has come. */
export interface IndexProgress {
  /** Samples found so far. */
  readonly files: number;
  /** Their bytes. */
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly filesPerSecond: number;
}

export interface IndexOptions {
  /** Called ten times a second at most, and once at the end. */
  readonly report?: ((progress: IndexProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A clock in milliseconds. */
  readonly now?: () => number;
  /** Keeps bytes beside the manifest, such as a shard's index; resolves to their SHA-256. @default they are not kept */
  readonly keep?: ((bytes: Uint8Array) => Promise<string>) | undefined;
}

/** What is kept beside a manifest, by SHA-256. */
export interface Parts {
  /** Checked against the digest; null where it is not kept (any more): it is to be made again. */
  get(digest: string, signal?: AbortSignal): Promise<Uint8Array | null>;
}

export interface IndexedDataset<M extends Manifest = Manifest> {
  readonly manifest: M;
  /** What a person should know: samples left out and why, labels that mean nothing, ... One sentence each. */
  readonly notices: readonly string[];
}

/** What every source's config has. */
export interface SourceConfig {
  readonly source: string;
  readonly url: string;
  readonly subset?: string | readonly number[] | undefined;
}

/** A kind of dataset. One file each in sources/; sources/index.ts lists them. */
export type DatasetSource = FileSource | ShardSource;

interface AnySource<Config extends SourceConfig, M extends Manifest> {
  readonly name: Config['source'];
  /** The dataset part of a run spec for this source. */
  readonly schema: ZodObject & ZodType<Config>;
  /**
   * Finds the samples (all of them; a subset is taken afterwards).
   *
   * @throws DATASET_NOT_FOUND, DATASET_EMPTY, DATASET_MALFORMED, CANCELLED
   */
  index(config: Config, storage: Storage, options: IndexOptions): Promise<IndexedDataset<M>>;
}

/** A dataset whose samples are a file each, or records at places that their paths tell. */
export interface FileSource<Config extends SourceConfig = SourceConfig>
  extends AnySource<Config, FileManifest> {
  readonly kind: 'files';
  /** Opens the samples of a manifest that this source made. Does no I/O itself. */
  open(manifest: FileManifest, storage: Storage): SampleReader;
}

/** A dataset of files that hold many samples each. */
export interface ShardSource<Config extends SourceConfig = SourceConfig>
  extends AnySource<Config, ShardManifest> {
  readonly kind: 'shards';
  /**
   * Opens the samples of a manifest that this source made. Does no I/O itself.
   *
   * @param memory for all that the reader keeps, shared with other readers
   */
  open(manifest: ShardManifest, storage: Storage, parts: Parts, memory: ShardMemory): SampleReader;
}
