/** A scalar that rides with each sample by name. */
export interface SampleField {
  readonly name: string;
  readonly dtype: 'string' | 'int64' | 'float64';
}

/** What a manifest says of the dataset as a whole. */
export interface ManifestHeader {
  /** The source that made it and that reads its samples. */
  readonly source: string;
  /** Names of the classes; a label is an index into them, or -1 for none. Empty where labels have no names. */
  readonly classes: readonly string[];
  /** The fields that every sample carries besides its label. */
  readonly fields: readonly SampleField[];
  /** What else the source's reader goes by, such as the name of the image's field. @default nothing */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** What a manifest's first bytes say of it. */
export interface ManifestFacts extends ManifestHeader {
  /** Samples, in [1, 2^40]. */
  readonly samples: number;
  /** Of a mix: the samples of each of its datasets. */
  readonly parts?: readonly number[];
}

/**
 * A dataset's index: which samples it has, in which order. Immutable, known by its digest, which covers the
 * source, the classes' names, and what of its samples or shards tells them from others; not times, and not where the
 * dataset is.
 */
export interface Manifest extends ManifestHeader {
  readonly settings: Readonly<Record<string, string>>;
  /** Samples. */
  readonly length: number;
  /** SHA-256 in lower-case hexadecimal. */
  readonly digest: string;
  /** Bytes of all files that hold its samples. */
  readonly bytes: number;
  /**
   * Names a sample for people, without I/O: what is not UTF-8 in it shows as U+FFFD.
   *
   * @throws RangeError for a sample that it does not have
   * @throws DATASET_MALFORMED where a decoded manifest was forged
   */
  pathOf(sampleId: number): string;
  /** A versioned binary form, with its digest at the end. */
  encode(): Uint8Array;
}

/** @throws RangeError unless the manifest has that sample */
export function checkSampleId(sampleId: number, length: number): void {
  if (!Number.isInteger(sampleId) || sampleId < 0 || sampleId >= length) {
    throw new RangeError(`sample ${sampleId} is not in [0, ${length})`);
  }
}
