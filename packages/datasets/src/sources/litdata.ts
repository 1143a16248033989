import { CropstreamError, failure } from '@cropstream/errors';
import * as z from 'zod';
import { readClasses } from '../formats/classes-file.js';
import { inLanes } from '../lanes.js';
import { malformed } from '../malformed.js';
import { ShardManifestBuilder } from '../manifests/shard-manifest.js';
import { encodePath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import type { ShardSource } from '../source.js';
import { type Storage, StorageError } from '../storage/storage.js';
import { classNames, datasetUrl, PATH_FIELD, subset } from './common.js';
import { type Chunk, INDEX_FILE, type LitDataIndex, parseIndex } from './litdata/index-file.js';
import { chooseLayout, manifestFields } from './litdata/layout.js';
import { LitDataReader } from './litdata/reader.js';

const NAME = 'litdata';

export const litdataSchema = z.strictObject({
  source: z.literal(NAME),
  /** The folder of index.json. */
  url: datasetUrl,
  /** The value that is the image; absent: `image`, `img`, `jpg`, ..., or the only one that may be. */
  image_field: z.string().min(1).optional(),
  /** The value that is the label; absent: `label`, `cls`, `class`. */
  label_field: z.string().min(1).optional(),
  /** Names of the classes by label. Absent: those of `classes.json`, if it is there. */
  classes: classNames,
  subset,
});

type Config = z.infer<typeof litdataSchema>;

/** Of index.json: some two million chunks. */
const MAX_INDEX_BYTES = 256 * 1024 * 1024;
/** Chunks looked up at once, where they cannot be listed. */
const STAT_LANES = 32;

/** LitData's optimised format (https://github.com/Lightning-AI/litData): index.json, and chunks of samples. */
export const litdata: ShardSource<Config> = {
  kind: 'shards',
  name: NAME,
  schema: litdataSchema,

  async index(config, storage, options) {
    const { signal } = options;
    const index = parseIndex(await readIndex(storage, config.url, signal));
    const classes = config.classes ?? (await readClasses(storage, signal)) ?? [];
    const { layout, notices } = chooseLayout(index, classes, config);
    const fields = manifestFields(layout);
    const builder = new ShardManifestBuilder({
      source: NAME,
      classes,
      fields: fields.some(({ name }) => name === PATH_FIELD.name) ? fields : [PATH_FIELD, ...fields],
      settings: { layout: JSON.stringify(layout) },
    });
    const meter = new ProgressMeter(options);
    const sizes = await fileSizes(storage, index.chunks, signal);
    for (const [i, chunk] of index.chunks.entries()) {
      const size = sizes[i] as number;
      checkSize(chunk, size, index);
      builder.add(encodePath(chunk.path), size, chunk.samples, null);
      meter.add(chunk.samples, size);
    }
    meter.finish();
    if (builder.length === 0)
      throw failure('DATASET_EMPTY', { url: config.url, found: `${INDEX_FILE} names no samples` });
    return { manifest: builder.build(), notices };
  },

  open: (manifest, storage, _parts, memory) => new LitDataReader(manifest, storage, memory),
};

async function readIndex(
  storage: Storage,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  try {
    const bytes = await storage.read(INDEX_FILE, { length: MAX_INDEX_BYTES + 1, inside: true, signal });
    if (bytes.length <= MAX_INDEX_BYTES) return bytes;
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== 'not-found') throw error;
    const reason = `it has no ${INDEX_FILE}, which LitData's optimize() writes beside the chunks (${error.reason})`;
    throw failure('DATASET_NOT_FOUND', { url, reason }, { cause: error });
  }
  throw failure('DATASET_MALFORMED', {
    path: INDEX_FILE,
    reason: `it is longer than ${MAX_INDEX_BYTES} bytes`,
  });
}

/** Bytes of the chunks' files: from listings of their folders; from each file where nothing can be listed. */
async function fileSizes(
  storage: Storage,
  chunks: readonly Chunk[],
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const listed = await listFolders(storage, chunks, signal);
  const sizes = new Float64Array(chunks.length);
  await inLanes(chunks.length, STAT_LANES, async (i) => {
    const { path } = chunks[i] as Chunk;
    sizes[i] = listed?.get(path) ?? (await fileSize(storage, path, signal));
  });
  return sizes;
}

async function listFolders(
  storage: Storage,
  chunks: readonly Chunk[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number> | null> {
  const wanted = new Set(chunks.map(({ path }) => path));
  const folders = new Set([...wanted].map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
  const found = new Map<string, number>();
  try {
    for (const folder of folders) {
      const prefix = folder === '' ? '' : `${folder}/`;
      const { names, sizes } = await storage.list(folder, {
        accept: (name) => wanted.has(prefix + name),
        signal,
      });
      for (const [i, name] of names.entries()) found.set(prefix + name, sizes[i] as number);
    }
  } catch (error) {
    // Web servers cannot be asked what they have; a folder that is not there shows itself by its files.
    const isExpected =
      (error instanceof CropstreamError && error.code === 'SPEC_INVALID') ||
      (error instanceof StorageError && error.kind === 'not-found');
    if (isExpected) return null;
    throw error;
  }
  return found;
}

async function fileSize(storage: Storage, path: string, signal: AbortSignal | undefined): Promise<number> {
  try {
    return (await storage.stat(path, signal)).size;
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== 'not-found') throw error;
    throw malformed(path, `${INDEX_FILE} names it, and it is not there (${error.reason})`, error);
  }
}

/**
 * What the index file says of a chunk's length is its file's; in older versions that of the samples in it, without the table of
 * their offsets; of a chunk that is compressed as a whole that of its content, which its own header tells again.
 */
function checkSize({ path, bytes, samples }: Chunk, size: number, { compression }: LitDataIndex): void {
  const table = 4 * (samples + 2);
  if (compression === 'chunk') {
    if (size > 0) return;
  } else if (size >= table && (size === bytes || (size === bytes + table && compression === 'none'))) return;
  throw malformed(path, `it has ${size} bytes, and ${INDEX_FILE} says ${bytes} bytes of ${samples} samples`);
}
