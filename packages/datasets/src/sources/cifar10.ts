import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { type FileManifest, FileManifestBuilder } from '../manifests/file-manifest.js';
import { encodePath, joinPath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import type { FileSource, IndexedDataset, IndexOptions, Sample, SampleReader } from '../source.js';
import { type Storage, StorageError } from '../storage/storage.js';
import { datasetUrl, PATH_FIELD, subset } from './common.js';
import { readSample } from './file-reader.js';

const NAME = 'cifar10';

export const cifar10Schema = z.strictObject({
  source: z.literal(NAME),
  /** The folder of the binary version's files, or the one above it. */
  url: datasetUrl,
  split: z.enum(['train', 'test']).default('train'),
  subset,
});

type Config = z.infer<typeof cifar10Schema>;

const ARCHIVE_FOLDER = 'cifar-10-batches-bin';
const FILES = {
  train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
  test: ['test_batch.bin'],
} as const;
const CLASSES_FILE = 'batches.meta.txt';
const CLASSES = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

const SIDE = 32;
const PLANE_BYTES = SIDE * SIDE;
/** A label byte, then the red, the green and the blue plane. */
const RECORD_BYTES = 1 + 3 * PLANE_BYTES;
/** Records read at once while indexing: 3 MB. */
const RECORDS_A_READ = 1000;

/**
 * CIFAR-10's binary version (https://www.cs.toronto.edu/~kriz/cifar.html): pixels, not encoded files. Samples are in the
 * files' order, which is that of torchvision's CIFAR10 too. A sample's path is `<file>#<record>`.
 */
export const cifar10: FileSource<Config> = {
  kind: 'files',
  name: NAME,
  schema: cifar10Schema,

  async index(
    config: Config,
    storage: Storage,
    options: IndexOptions,
  ): Promise<IndexedDataset<FileManifest>> {
    const { signal } = options;
    const folder = await findFolder(storage, config, signal);
    const { classes, notices } = await readClasses(storage, folder, signal);
    const meter = new ProgressMeter(options);
    const builder = new FileManifestBuilder({ source: NAME, classes, fields: [PATH_FIELD] });
    for (const file of FILES[config.split]) {
      for await (const { record, label } of labelsOf(storage, joinPath(folder, file), signal)) {
        if (label >= classes.length) {
          throw failure('DATASET_MALFORMED', {
            path: file,
            reason: `record ${record} has label ${label}, but there are ${classes.length} classes`,
          });
        }
        builder.add(encodePath(`${file}#${record}`), RECORD_BYTES, label);
        if ((record + 1) % RECORDS_A_READ === 0) meter.add(RECORDS_A_READ, RECORDS_A_READ * RECORD_BYTES);
      }
    }
    meter.finish();
    return { manifest: builder.build(), notices };
  },

  open: (manifest, storage) => new RecordReader(manifest, storage),
};

async function findFolder(storage: Storage, config: Config, signal?: AbortSignal): Promise<string> {
  const wanted = FILES[config.split];
  const missing = new Map<string, string[]>();
  for (const folder of ['', ARCHIVE_FOLDER]) {
    const present = await namesIn(storage, folder, signal);
    const absent = wanted.filter((file) => !present.has(file));
    if (absent.length === 0) return folder;
    if (absent.length < wanted.length) missing.set(folder, absent);
    if (
      present.has('data_batch_1') ||
      present.has('cifar-10-batches-py') ||
      present.has('cifar-10-python.tar.gz')
    ) {
      throw malformed(
        config.url,
        'it has the Python version; the binary version (cifar-10-binary.tar.gz) is read',
      );
    }
    if (present.has('cifar-10-binary.tar.gz') && !present.has(ARCHIVE_FOLDER)) {
      throw malformed(config.url, 'unpack it first: `tar xzf cifar-10-binary.tar.gz`');
    }
  }
  const [part] = missing.values();
  throw malformed(config.url, `${(part ?? wanted).join(', ')} not found in it or in its ${ARCHIVE_FOLDER}`);
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
  signal?: AbortSignal,
): Promise<{ classes: readonly string[]; notices: string[] }> {
  let bytes: Uint8Array;
  try {
    bytes = await storage.read(joinPath(folder, CLASSES_FILE), { length: 64 * 1024, signal });
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== 'not-found') throw error;
    return { classes: CLASSES, notices: [`${CLASSES_FILE} is missing: the usual class names are used`] };
  }
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const classes = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (classes.length === 0 || classes.length > 256) {
    throw malformed(CLASSES_FILE, `it names ${classes.length} classes`);
  }
  return { classes, notices: [] };
}

async function* labelsOf(storage: Storage, path: string, signal?: AbortSignal) {
  const { size } = await storage.stat(path, signal);
  if (size === 0 || size % RECORD_BYTES !== 0) {
    throw malformed(path, `its ${size} bytes are not a whole number of records of ${RECORD_BYTES} bytes`);
  }
  for (let record = 0; record < size / RECORD_BYTES; ) {
    const bytes = await storage.read(path, {
      offset: record * RECORD_BYTES,
      length: RECORDS_A_READ * RECORD_BYTES,
      signal,
    });
    if (bytes.length === 0) throw malformed(path, 'it shrank while it was indexed');
    for (let at = 0; at < bytes.length; at += RECORD_BYTES, record++) {
      yield { record, label: bytes[at] as number };
    }
  }
}

class RecordReader implements SampleReader {
  readonly #manifest: FileManifest;
  readonly #storage: Storage;
  #folder: Promise<string> | undefined;

  constructor(manifest: FileManifest, storage: Storage) {
    this.#manifest = manifest;
    this.#storage = storage;
  }

  async size(): Promise<number> {
    return RECORD_BYTES;
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const path = this.#manifest.pathOf(sampleId);
    const label = this.#manifest.labelOf(sampleId);
    const hash = path.lastIndexOf('#');
    const file = joinPath(await this.#findFolder(), path.slice(0, hash));
    const bytes = await readSample(this.#storage, file, path, {
      offset: Number(path.slice(hash + 1)) * RECORD_BYTES,
      length: RECORD_BYTES,
      signal,
    });
    if (bytes.length !== RECORD_BYTES) throw failure('DATASET_CHANGED', { path, change: 'is missing' });
    if (bytes[0] !== label) {
      throw failure('DATASET_CHANGED', {
        path,
        change: `had label ${label} when it was indexed and has ${bytes[0]} now`,
      });
    }
    return { pixels: { width: SIDE, height: SIDE, data: interleaved(bytes) }, label, path, fields: { path } };
  }

  async head(): Promise<null> {
    return null;
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  /** The manifest's paths hold whether the url is the files' folder or the one above it. */
  #findFolder(): Promise<string> {
    this.#folder ??= this.#storage.stat(ARCHIVE_FOLDER).then(
      () => ARCHIVE_FOLDER,
      () => '',
    );
    return this.#folder;
  }
}

/** A record's three planes as RGB pixels. */
function interleaved(record: Uint8Array): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(new ArrayBuffer(3 * PLANE_BYTES));
  for (let pixel = 0; pixel < PLANE_BYTES; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      data[3 * pixel + channel] = record[1 + channel * PLANE_BYTES + pixel] as number;
    }
  }
  return data;
}

function malformed(path: string, reason: string) {
  return failure('DATASET_MALFORMED', { path, reason });
}
