import { decodePath, lossyUtf8 } from '../paths.js';
import { checkSample, decodeFileManifest, encodeFileManifest, parts } from './file-format.js';
import { digestOf } from './header.js';
import { checkSampleId, type Manifest, type ManifestHeader, type SampleField } from './manifest.js';

/** One entry a sample in each, but `offsets`, which has one more. Never changed once in a manifest. */
export interface ManifestColumns {
  /** Path of sample i: bytes [offsets[i], offsets[i + 1]) of `paths`. */
  readonly offsets: Uint32Array;
  /** All paths' bytes as the file system has them, one after the other. */
  readonly paths: Uint8Array;
  /** Bytes of each sample's file (or record). */
  readonly sizes: BigUint64Array;
  readonly labels: Int32Array;
}

/**
 * The manifest of a dataset whose samples are a file each (or a record of their own): its digest covers their paths, sizes
 * and labels in order. Costs 16 bytes a sample and its path's.
 */
export class FileManifest implements Manifest {
  readonly source: string;
  readonly classes: readonly string[];
  readonly fields: readonly SampleField[];
  readonly settings: Readonly<Record<string, string>>;
  readonly #columns: ManifestColumns;
  readonly #isDecoded: boolean;
  #digest: string | undefined;

  /** The columns become the manifest's own; samples of decoded ones are checked as they are asked for. */
  constructor(
    header: ManifestHeader,
    columns: ManifestColumns,
    decoded: { readonly digest: string } | null = null,
  ) {
    this.source = header.source;
    this.classes = Object.freeze([...header.classes]);
    this.fields = Object.freeze([...header.fields]);
    this.settings = header.settings ?? {};
    this.#columns = columns;
    this.#digest = decoded?.digest;
    this.#isDecoded = decoded !== null;
  }

  /** Samples. */
  get length(): number {
    return this.#columns.labels.length;
  }

  /** SHA-256 in lower-case hexadecimal, computed when first asked for. */
  get digest(): string {
    this.#digest ??= digestOf(parts(this, this.#columns)).toString('hex');
    return this.#digest;
  }

  get bytes(): number {
    let sum = 0;
    for (const size of this.#columns.sizes) sum += Number(size);
    return sum;
  }

  /** An index into `classes`, or -1. */
  labelOf(sampleId: number): number {
    return this.#columns.labels[this.#checked(sampleId)] as number;
  }

  /** Bytes of the sample's file (or record). */
  sizeOf(sampleId: number): number {
    return Number(this.#columns.sizes[this.#checked(sampleId)]);
  }

  /** The sample's path below the dataset's root. */
  pathOf(sampleId: number): string {
    return lossyUtf8.decode(this.#pathBytes(sampleId));
  }

  /** The sample's path for `Storage`, which finds any file by it. */
  storagePathOf(sampleId: number): string {
    return decodePath(this.#pathBytes(sampleId));
  }

  /**
   * A manifest of some of the samples, in the order given; twice where an id is twice.
   *
   * @param sampleIds each an integer in [0, length)
   * @throws RangeError for another
   */
  select(sampleIds: ArrayLike<number>): FileManifest {
    const builder = new FileManifestBuilder(this);
    for (let i = 0; i < sampleIds.length; i++) {
      const id = sampleIds[i] as number;
      builder.add(this.#pathBytes(id), this.sizeOf(id), this.labelOf(id));
    }
    return builder.build();
  }

  /** The form is in file-format.ts. */
  encode(): Uint8Array {
    return encodeFileManifest(this, this.#columns);
  }

  /**
   * The manifest of its binary form, which it goes on reading (from shared memory, too, so that threads share
   * one copy): the bytes must not change afterwards. Takes no longer for more samples: each is checked when it is asked
   * for, and throws DATASET_MALFORMED then. Bytes from elsewhere are for `checkManifest` first.
   *
   * @throws DATASET_MALFORMED for bytes that `encode` did not write
   */
  static decode(bytes: Uint8Array): FileManifest {
    const { header, columns, digest } = decodeFileManifest(bytes);
    return new FileManifest(header, columns, { digest });
  }

  #checked(sampleId: number): number {
    checkSampleId(sampleId, this.length);
    if (this.#isDecoded) checkSample(this, this.#columns, sampleId);
    return sampleId;
  }

  #pathBytes(sampleId: number): Uint8Array {
    const { offsets, paths } = this.#columns;
    const id = this.#checked(sampleId);
    return paths.subarray(offsets[id], offsets[id + 1]);
  }
}

/** Room for what is known to come, so that the columns are made once. */
export interface ManifestCapacity {
  readonly samples: number;
  /** Of all paths. */
  readonly pathBytes: number;
}

/** Gathers samples into columns that double where they are full. */
export class FileManifestBuilder {
  readonly #header: ManifestHeader;
  #length = 0;
  #pathBytes = 0;
  #offsets: Uint32Array;
  #paths: Uint8Array;
  #sizes: BigUint64Array;
  #labels: Int32Array;

  constructor(header: ManifestHeader, capacity: ManifestCapacity = { samples: 1023, pathBytes: 32 * 1024 }) {
    this.#header = header;
    this.#offsets = new Uint32Array(capacity.samples + 1);
    this.#paths = new Uint8Array(capacity.pathBytes);
    this.#sizes = new BigUint64Array(capacity.samples + 1);
    this.#labels = new Int32Array(capacity.samples + 1);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds the next sample. */
  add(path: Uint8Array, size: number, label: number): void {
    if (this.#length + 1 >= this.#offsets.length) {
      const capacity = Math.max(1024, 2 * this.#offsets.length);
      this.#offsets = grown(this.#offsets, new Uint32Array(capacity));
      this.#sizes = grown(this.#sizes, new BigUint64Array(capacity));
      this.#labels = grown(this.#labels, new Int32Array(capacity));
    }
    const end = this.#pathBytes + path.length;
    if (end > 0xffffffff) throw new RangeError('a manifest holds at most 4 GiB of paths');
    if (end > this.#paths.length) {
      this.#paths = grown(this.#paths, new Uint8Array(Math.max(2 * this.#paths.length, end)));
    }
    this.#paths.set(path, this.#pathBytes);
    this.#sizes[this.#length] = BigInt(size);
    this.#labels[this.#length] = label;
    this.#length += 1;
    this.#pathBytes = end;
    this.#offsets[this.#length] = end;
  }

  build(): FileManifest {
    const length = this.#length;
    return new FileManifest(this.#header, {
      offsets: fitted(this.#offsets, length + 1),
      paths: fitted(this.#paths, this.#pathBytes),
      sizes: fitted(this.#sizes, length),
      labels: fitted(this.#labels, length),
    });
  }
}

/** The first entries: in place where little room is left beyond them, for a copy takes as much memory again. */
function fitted<
  T extends {
    readonly length: number;
    subarray(from: number, to: number): T;
    slice(from: number, to: number): T;
  },
>(column: T, length: number): T {
  return column.length - length <= length / 8 ? column.subarray(0, length) : column.slice(0, length);
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
