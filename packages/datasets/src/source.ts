import type { ZodType } from 'zod';
import type { Manifest } from './manifest.js';
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
}

export interface IndexedDataset {
  readonly manifest: Manifest;
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
export interface DatasetSource<Config extends SourceConfig = SourceConfig> {
  readonly name: Config['source'];
  /** The dataset part of a run spec for this source. */
  readonly schema: ZodType<Config>;
  /**
   * Finds the samples (all of them; a subset is taken afterwards).
   *
   * @throws DATASET_NOT_FOUND, DATASET_EMPTY, DATASET_MALFORMED, CANCELLED
   */
  index(config: Config, storage: Storage, options: IndexOptions): Promise<IndexedDataset>;
  /** Opens the samples of a manifest that this source made. Does no I/O itself. */
  open(manifest: Manifest, storage: Storage): SampleReader;
}
