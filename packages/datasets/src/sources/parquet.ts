import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { readClasses } from '../formats/classes-file.js';
import { inLanes } from '../lanes.js';
import { type ShardManifest, ShardManifestBuilder } from '../manifests/shard-manifest.js';
import { encodePath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import type { IndexedDataset, ShardSource } from '../source.js';
import { classNames, subset } from './common.js';
import { LeftOut } from './left-out.js';
import { type Footer, readFooter } from './parquet/footer.js';
import { checkColumns, findLayout, type Layout } from './parquet/layout.js';
import { ParquetReader } from './parquet/reader.js';
import { ParquetError } from './parquet/thrift.js';
import {
  type ListedShard,
  listShards,
  noneListed,
  type ShardKind,
  shardsSchema,
  shardsUrl,
  withSizes,
} from './shard-list.js';

const NAME = 'parquet';

const FILES: ShardKind = { name: /\.parquet$/i, hasWids: false };

export const parquetSchema = z.strictObject({
  source: z.literal(NAME),
  /** The folder of the files. */
  url: shardsUrl('.parquet'),
  /** Names relative to `url`, with `{00000..00293}` and wildcards, or a `.txt` file of such. Absent: every `.parquet` below `url`. */
  shards: shardsSchema,
  /** Which of the splits that the files' names tell: `train` of `train-00000-of-00003.parquet`. May be absent where there is one. */
  split: z.string().min(1).optional(),
  /** The column of the images. Absent: `image`, `img`, the one that the files say is of images, or the only one of bytes. */
  image_field: z.string().min(1).optional(),
  /** The column of the labels. Absent: `label`, `cls`, `class`, or the only one that the files say is of classes. */
  label_field: z.string().min(1).optional(),
  /** Names of the classes by label. Absent: those that the files name, or those of `classes.json`. */
  classes: classNames,
  subset,
});

type Config = z.infer<typeof parquetSchema>;

/** Footers read at once. */
const FOOTER_LANES = 16;

/**
 * Parquet files as Hugging Face's `datasets` writes image data sets, and others that have images' bytes in a column. Samples are in
 * the files' order, then in their rows'. A file's own footer is its index: nothing is kept beside the manifest but its digest.
 */
export const parquet: ShardSource<Config> = {
  kind: 'shards',
  name: NAME,
  schema: parquetSchema,

  async index(config, storage, options): Promise<IndexedDataset<ShardManifest>> {
    const { signal } = options;
    const leftOut = new LeftOut();
    const named = await listShards(storage, config.shards, FILES, leftOut, signal);
    const files = await withSizes(storage, ofSplit(named, config), signal);
    if (files.length === 0) {
      throw failure('DATASET_EMPTY', {
        url: config.url,
        found: noneListed(config.shards, '.parquet', leftOut),
      });
    }
    const meter = new ProgressMeter(options);
    const choice = { image: config.image_field ?? null, label: config.label_field ?? null };
    const footers: { rows: number; digest: string }[] = new Array(files.length);
    let layout: Layout | undefined;
    const readOne = async (i: number): Promise<Footer> => {
      signal?.throwIfAborted();
      const { path, size, isFromFile: inside } = files[i]!;
      return namingFile(path, async () => {
        const footer = await readFooter(storage, path, size, { inside, signal });
        layout ??= findLayout(footer, choice);
        checkColumns(footer, layout);
        footers[i] = { rows: footer.rows, digest: footer.digest };
        meter.add(footer.rows, size);
        return footer;
      });
    };
    // The first tells which columns there are; the others must have them.
    await readOne(0);
    await inLanes(files.length - 1, FOOTER_LANES, async (i) => {
      await readOne(i + 1);
    });
    meter.finish();

    const { columns, fields, classes, notices } = layout!;
    const header = {
      source: NAME,
      classes: config.classes ?? classes ?? (await readClasses(storage, signal)) ?? [],
      fields,
      settings: {
        columns: JSON.stringify(columns),
        ...(files.some(({ isFromFile }) => isFromFile) && { shards: 'named by a file' }),
      },
    };
    const builder = new ShardManifestBuilder(header);
    for (const [i, { path, size }] of files.entries()) {
      builder.add(encodePath(path), size, footers[i]!.rows, footers[i]!.digest);
    }
    if (builder.length === 0) {
      throw failure('DATASET_EMPTY', { url: config.url, found: `${files.length} .parquet without rows` });
    }
    return { manifest: builder.build(), notices: [...notices, ...leftOut.notices()] };
  },

  open: (manifest, storage, _parts, memory) => new ParquetReader(manifest, storage, memory),
};

/** `train-00000-of-00003.parquet`, with or without a hash: as the Hub names a split's files. */
const HUB_NAME = /^(.+)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.parquet$/;
/** What splits are called where a file, or its folder, bears no more than the name. */
const SPLIT_NAME = /^(?:train|training|test|testing|validation|valid|val|dev|eval)$/i;

/** The split that a file's path tells; null where it tells none. */
function splitOf(path: string): string | null {
  const parts = path.split('/');
  const base = parts.at(-1) as string;
  const hub = HUB_NAME.exec(base)?.[1];
  if (hub !== undefined) return hub;
  const names = [base.replace(/\.parquet$/i, ''), parts.at(-2) ?? ''];
  return names.find((name) => SPLIT_NAME.test(name)) ?? null;
}

function ofSplit(files: readonly ListedShard[], { split }: Config): ListedShard[] {
  const splits = [...new Set(files.map(({ path }) => splitOf(path)))];
  const known = splits.filter((name) => name !== null).sort();
  if (split === undefined && splits.length <= 1) return [...files];
  if (split !== undefined && known.includes(split))
    return files.filter(({ path }) => splitOf(path) === split);
  throw failure('SPEC_INVALID', {
    field: 'dataset.split',
    value: JSON.stringify(split) ?? 'missing',
    allowed:
      known.length === 0 ? 'absent, as the names of the files tell no splits' : `one of ${known.join(', ')}`,
  });
}

/** @throws DATASET_MALFORMED for what is wrong with the file itself */
async function namingFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ParquetError)) throw error;
    throw failure('DATASET_MALFORMED', { path, reason: error.message }, { cause: error });
  }
}
