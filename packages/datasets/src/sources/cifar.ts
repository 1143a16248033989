/** What CIFAR-10 and CIFAR-100 have in common: binary files of records, labels first, then 32 x 32 pixels. */

import { failure } from '@cropstream/errors';
import { malformed } from '../malformed.js';
import { type FileManifest, FileManifestBuilder } from '../manifests/file-manifest.js';
import type { SampleField } from '../manifests/manifest.js';
import { encodePath, joinPath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import type {
  FileSource,
  IndexedDataset,
  IndexOptions,
  Sample,
  SampleReader,
  SourceConfig,
} from '../source.js';
import { type Storage, StorageError } from '../storage/storage.js';
import { PATH_FIELD } from './common.js';
import { readSample, sampleFailure } from './file-reader.js';

const SIDE = 32;
const PLANE_BYTES = SIDE * SIDE;
/** The red, the green and the blue plane. */
const PIXEL_BYTES = 3 * PLANE_BYTES;
/** Records read at once while indexing: 3 MB. */
const RECORDS_A_READ = 1000;

/** One of a record's labels. */
export interface CifarLabel {
  /** The field that carries it where another one is the sample's label. */
  readonly field: string;
  readonly classesFile: string;
  /** Names of the classes where that file is missing; null: then it is an error. */
  readonly usualClasses: readonly string[] | null;
}

/** The files of one of the two datasets. */
export interface CifarVersion {
  /** `cifar-10`: its archives' and folders' names begin so. */
  readonly archive: string;
  readonly folder: string;
  readonly files: Readonly<Record<'train' | 'test', readonly string[]>>;
  /** A file of the Python version. */
  readonly pythonFile: string;
  /** In the order of their bytes in a record. */
  readonly labels: readonly CifarLabel[];
}

export interface CifarConfig extends SourceConfig {
  readonly split: 'train' | 'test';
}

/**
 * The binary version of a CIFAR dataset (https://www.cs.toronto.edu/~kriz/cifar.html): pixels, not encoded files. Samples
 * are in the files' order, which is that of torchvision too. A sample's path is `<file>#<record>`; labels that are not the
 * sample's own ride along as fields.
 *
 * @param labelOf which of the version's labels is the sample's
 */
export function cifarSource<Config extends CifarConfig>(
  { name, schema }: Pick<FileSource<Config>, 'name' | 'schema'>,
  version: CifarVersion,
  labelOf: (config: Config) => CifarLabel,
): FileSource<Config> {
  const recordBytes = version.labels.length + PIXEL_BYTES;
  return {
    kind: 'files',
    name,
    schema,

    async index(
      config: Config,
      storage: Storage,
      options: IndexOptions,
    ): Promise<IndexedDataset<FileManifest>> {
      const { signal } = options;
      const label = labelOf(config);
      const folder = await findFolder(storage, version, config, signal);
      const { classes, notices } = await readClasses(storage, folder, label, signal);
      const others = version.labels.filter((other) => other !== label);
      const fields = [
        PATH_FIELD,
        ...others.map(({ field }): SampleField => ({ name: field, dtype: 'int64' })),
      ];
      const meter = new ProgressMeter(options);
      const builder = new FileManifestBuilder({ source: name, classes, fields });
      const at = version.labels.indexOf(label);
      for (const file of version.files[config.split]) {
        for await (const { record, bytes } of recordsOf(
          storage,
          joinPath(folder, file),
          recordBytes,
          signal,
        )) {
          const number = bytes[at] as number;
          if (number >= classes.length) {
            throw malformed(
              file,
              `record ${record} has label ${number}, but there are ${classes.length} classes`,
            );
          }
          builder.add(encodePath(`${file}#${record}`), recordBytes, number);
          if ((record + 1) % RECORDS_A_READ === 0) meter.add(RECORDS_A_READ, RECORDS_A_READ * recordBytes);
        }
      }
      meter.finish();
      return { manifest: builder.build(), notices };
    },

    open: (manifest, storage) => new RecordReader(manifest, storage, version),
  };
}

async function findFolder(
  storage: Storage,
  { archive, folder: archiveFolder, files, pythonFile }: CifarVersion,
  config: CifarConfig,
  signal?: AbortSignal,
): Promise<string> {
  const wanted = files[config.split];
  const missing = new Map<string, string[]>();
  for (const folder of ['', archiveFolder]) {
    const present = await namesIn(storage, folder, signal);
    const absent = wanted.filter((file) => !present.has(file));
    if (absent.length === 0) return folder;
    if (absent.length < wanted.length) missing.set(folder, absent);
    const python = [pythonFile, `${archive}-batches-py`, `${archive}-python`, `${archive}-python.tar.gz`];
    if (python.some((name) => present.has(name))) {
      throw malformed(
        config.url,
        `it has the Python version; the binary version (${archive}-binary.tar.gz) is read`,
      );
    }
    if (present.has(`${archive}-binary.tar.gz`) && !present.has(archiveFolder)) {
      throw malformed(config.url, `unpack it first: \`tar xzf ${archive}-binary.tar.gz\``);
    }
  }
  const [part] = missing.values();
  throw malformed(config.url, `${(part ?? wanted).join(', ')} not found in it or in its ${archiveFolder}`);
}

async function namesIn(storage: Storage, folder: string, signal?: AbortSignal): Promise<Set<string>> {
  try {
    const { names, folders } = await storage.list(folder, { signal });
    return new Set([...names, ...folders]);
  } catch (error) {
    if (folder !== '' && error instanceof StorageError && error.kind === 'not-found') return new Set();
    throw error;
  }
}

async function readClasses(
  storage: Storage,
  folder: string,
  { classesFile, usualClasses }: CifarLabel,
  signal?: AbortSignal,
): Promise<{ classes: readonly string[]; notices: string[] }> {
  let bytes: Uint8Array;
  try {
    bytes = await storage.read(joinPath(folder, classesFile), { length: 64 * 1024, signal });
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== 'not-found') throw error;
    if (usualClasses === null) throw malformed(classesFile, 'it is missing');
    return { classes: usualClasses, notices: [`${classesFile} is missing: the usual class names are used`] };
  }
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const classes = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (classes.length === 0 || classes.length > 256) {
    throw malformed(classesFile, `it names ${classes.length} classes`);
  }
  return { classes, notices: [] };
}

async function* recordsOf(storage: Storage, path: string, recordBytes: number, signal?: AbortSignal) {
  const { size } = await storage.stat(path, signal);
  if (size === 0 || size % recordBytes !== 0) {
    throw malformed(path, `its ${size} bytes are not a whole number of records of ${recordBytes} bytes`);
  }
  for (let record = 0; record < size / recordBytes; ) {
    const bytes = await storage.read(path, {
      offset: record * recordBytes,
      length: RECORDS_A_READ * recordBytes,
      signal,
    });
    if (bytes.length === 0) throw malformed(path, 'it shrank while it was indexed');
    for (let at = 0; at < bytes.length; at += recordBytes, record++) {
      yield { record, bytes: bytes.subarray(at, at + recordBytes) };
    }
  }
}

class RecordReader implements SampleReader {
  readonly #manifest: FileManifest;
  readonly #storage: Storage;
  readonly #version: CifarVersion;
  readonly #recordBytes: number;
  /** Where in a record the sample's label stands: the one that is none of its fields. */
  readonly #labelAt: number;
  #folder: string | undefined;

  constructor(manifest: FileManifest, storage: Storage, version: CifarVersion) {
    this.#manifest = manifest;
    this.#storage = storage;
    this.#version = version;
    this.#recordBytes = version.labels.length + PIXEL_BYTES;
    const carried = new Set(manifest.fields.map(({ name }) => name));
    this.#labelAt = version.labels.findIndex(({ field }) => !carried.has(field));
  }

  async size(): Promise<number> {
    return this.#recordBytes;
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const path = this.#manifest.pathOf(sampleId);
    const label = this.#manifest.labelOf(sampleId);
    const hash = path.lastIndexOf('#');
    const name = path.slice(0, hash);
    const file = joinPath(await this.#folderOf(name, path, signal), name);
    const bytes = await readSample(this.#storage, file, path, {
      offset: Number(path.slice(hash + 1)) * this.#recordBytes,
      length: this.#recordBytes,
      signal,
    });
    if (bytes.length !== this.#recordBytes) throw failure('DATASET_CHANGED', { path, change: 'is missing' });
    const now = bytes[this.#labelAt];
    if (now !== label) {
      throw failure('DATASET_CHANGED', {
        path,
        change: `had label ${label} when it was indexed and has ${now} now`,
      });
    }
    const { labels } = this.#version;
    const others = labels.flatMap(({ field }, at) =>
      at === this.#labelAt ? [] : [[field, bytes[at] as number]],
    );
    const data = interleaved(bytes.subarray(labels.length));
    return {
      pixels: { width: SIDE, height: SIDE, data },
      label,
      path,
      fields: { path, ...Object.fromEntries(others) },
    };
  }

  async head(): Promise<null> {
    return null;
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  /** The manifest's paths hold whether the url is the files' folder or the one above it. */
  async #folderOf(name: string, path: string, signal?: AbortSignal): Promise<string> {
    const { folder } = this.#version;
    try {
      this.#folder ??= await this.#storage.stat(joinPath(folder, name), signal).then(
        () => folder,
        (error) => {
          if (error instanceof StorageError && error.kind === 'not-found') return '';
          throw error;
        },
      );
      return this.#folder;
    } catch (error) {
      throw await sampleFailure(error, this.#storage, path, signal);
    }
  }
}

/** A record's three planes as RGB pixels. */
function interleaved(planes: Uint8Array): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(new ArrayBuffer(PIXEL_BYTES));
  for (let pixel = 0; pixel < PLANE_BYTES; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      data[3 * pixel + channel] = planes[channel * PLANE_BYTES + pixel] as number;
    }
  }
  return data;
}
