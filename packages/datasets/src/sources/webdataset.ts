import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { counted } from '../counted.js';
import { readClasses } from '../formats/classes-file.js';
import { TarError } from '../formats/tar.js';
import { inLanes } from '../lanes.js';
import type { SampleField } from '../manifests/manifest.js';
import { type ShardManifest, ShardManifestBuilder } from '../manifests/shard-manifest.js';
import { sealPart } from '../parts.js';
import { encodePath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import type { IndexedDataset, IndexOptions, ShardSource } from '../source.js';
import type { Storage } from '../storage/storage.js';
import { classNames, PATH_FIELD, subset } from './common.js';
import { FieldSurvey } from './fields.js';
import { LeftOut } from './left-out.js';
import {
  type ListedShard,
  listShards,
  noneListed,
  type ShardKind,
  shardsSchema,
  shardsUrl,
  withSizes,
} from './shard-list.js';
import type { ImageChoice } from './webdataset/names.js';
import { choiceOf, labelNameOf, labelNames, type Settings, WebdatasetReader } from './webdataset/reader.js';
import { NOT_SCALAR, partsOf, type RawSample, readParts } from './webdataset/sample.js';
import { type ScannedShard, scanShard, spanOf } from './webdataset/scan-shard.js';
import { encodeIndex, type ShardIndex, type ShardLeftovers } from './webdataset/shard-index.js';

const NAME = 'webdataset';

const SHARDS: ShardKind = { name: /\.tar$/i, hasWids: true };

export const webdatasetSchema = z.strictObject({
  source: z.literal(NAME),
  /** The folder of the shards. */
  url: shardsUrl('.tar'),
  /**
   * Names relative to `url`, with `{000..147}` and wildcards; a `.txt` file of such, a line each; or wids' index (`.json`).
   * Absent: `shardindex.json` where there is one, else every `.tar` below `url`.
   */
  shards: shardsSchema,
  /** The extension of the image's member, or several, the first that a sample has: `jpg;png`. Absent: the first known one. */
  image_field: z.string().min(1).optional(),
  /** The member or the field of a `.json` that is the label. Absent: `cls`, `label`, `class`. */
  label_field: z.string().min(1).optional(),
  /** Names of the classes by label. Absent: those of `classes.json`, if it is there. */
  classes: classNames,
  subset,
});

type Config = z.infer<typeof webdatasetSchema>;

/** Shards scanned at once, a window of memory each. */
const SCAN_LANES = 8;
/** Samples that are looked at to find out which fields there are, but for larger ones. */
const SURVEYED_SAMPLES = 100;
const MAX_SURVEYED_BYTES = 16 * 1024 * 1024;
const SURVEY_LANES = 8;

/**
 * Tar shards by WebDataset's conventions (https://github.com/webdataset/webdataset): members of one key, one after the other, are a
 * sample. Samples are in the shards' order, and in a shard in its own. Random access, by an index of each shard that indexing makes.
 */
export const webdataset: ShardSource<Config> = {
  kind: 'shards',
  name: NAME,
  schema: webdatasetSchema,

  async index(config, storage, options): Promise<IndexedDataset<ShardManifest>> {
    const { signal } = options;
    const leftOut = new LeftOut();
    const named = await listShards(storage, config.shards, SHARDS, leftOut, signal);
    const listed = await withSizes(storage, named, signal);
    if (listed.length === 0) {
      throw failure('DATASET_EMPTY', { url: config.url, found: noneListed(config.shards, '.tar', leftOut) });
    }
    const settings = settingsOf(
      config,
      listed.some(({ isFromFile }) => isFromFile),
    );
    const classes = config.classes ?? (await readClasses(storage, signal)) ?? [];
    const { shards, firstIndex } = await scanAll(storage, listed, choiceOf(settings), options);
    const survey = await surveyFields(storage, config.url, listed, firstIndex, settings, signal);

    const builder = new ShardManifestBuilder({ source: NAME, classes, fields: survey.fields, settings });
    for (const { path, size, samples, digest } of shards)
      builder.add(encodePath(path), size, samples, digest);
    if (builder.length === 0) {
      const example = shards.find(({ found }) => found?.leftovers.imagelessExample)?.found?.leftovers;
      throw noImage(config.url, shards.length, example);
    }
    return {
      manifest: builder.build(),
      notices: [...survey.notices, ...shardNotices(shards), ...leftOut.notices()],
    };
  },

  open: (manifest, storage, parts, memory) => new WebdatasetReader(manifest, storage, parts, memory),
};

const noImage = (url: string, shards: number, leftovers: ShardLeftovers | undefined) => {
  const has = leftovers?.imagelessExample;
  const hint = has ? `: samples have ${has}; name the image's: image_field` : '';
  const found = `no sample of ${counted(shards, 'shard', 'shards')} has an image${hint}`;
  return failure('DATASET_EMPTY', { url, found });
};

const settingsOf = ({ image_field: image, label_field: label }: Config, isFromFile: boolean): Settings => ({
  ...(image !== undefined && { image_field: image.toLowerCase() }),
  ...(label !== undefined && { label_field: label }),
  ...(isFromFile && { shards: 'named by a file' }),
});

interface IndexedShard {
  readonly path: string;
  readonly size: number;
  readonly samples: number;
  readonly digest: string | null;
  /** What a scan found but the samples; absent where wids' index told how many there are. */
  readonly found?: Pick<ScannedShard, 'leftovers' | 'end'>;
}

async function scanAll(
  storage: Storage,
  listed: readonly (ListedShard & { readonly size: number })[],
  choice: ImageChoice,
  options: IndexOptions,
): Promise<{ shards: IndexedShard[]; firstIndex: ShardIndex | undefined }> {
  const { signal, keep } = options;
  const meter = new ProgressMeter(options);
  const shards: IndexedShard[] = new Array(listed.length);
  let firstIndex: ShardIndex | undefined;
  await inLanes(listed.length, SCAN_LANES, async (i) => {
    signal?.throwIfAborted();
    const { path, size, samples, isFromFile: inside } = listed[i]!;
    if (samples !== null) {
      meter.add(samples, size);
      shards[i] = { path, size, samples, digest: null };
      return;
    }
    let before = 0;
    const reached = (bytes: number) => {
      meter.add(0, bytes - before);
      before = bytes;
    };
    const { index, ...found } = await namingShard(path, () =>
      scanShard(storage, path, size, { choice, inside, reached, signal }),
    );
    if (i === 0) firstIndex = index;
    const bytes = encodeIndex(index);
    const count = index.starts.length;
    meter.add(count, size - before);
    const digest = (await keep?.(bytes)) ?? sealPart(bytes).digest;
    shards[i] = { path, size, samples: count, digest, found };
  });
  meter.finish();
  return { shards, firstIndex };
}

/** Looks at the first samples, for nothing but them tells which fields there are. */
async function surveyFields(
  storage: Storage,
  url: string,
  listed: readonly (ListedShard & { readonly size: number })[],
  firstIndex: ShardIndex | undefined,
  settings: Settings,
  signal: AbortSignal | undefined,
): Promise<{ fields: SampleField[]; notices: string[] }> {
  const choice = choiceOf(settings);
  const survey = new FieldSurvey();
  let samples = 0;
  let labelled = 0;
  for (const [i, { path, size, samples: told, isFromFile: inside }] of listed.entries()) {
    const wanted = SURVEYED_SAMPLES - samples;
    if (wanted <= 0) break;
    await namingShard(path, async () => {
      const known = i === 0 ? firstIndex : undefined;
      const scanned =
        known === undefined
          ? await scanShard(storage, path, size, { choice, inside, samples: wanted, signal })
          : undefined;
      const index = known ?? scanned!.index;
      // A shard of which wids' index says otherwise can never be read.
      if (told && index.starts.length === 0) throw noImage(url, 1, scanned?.leftovers);
      const count = Math.min(wanted, index.starts.length);
      const found: (RawSample | undefined)[] = new Array(count);
      await inLanes(count, SURVEY_LANES, async (local) => {
        const range = spanOf(index, local);
        if (range.length > MAX_SURVEYED_BYTES) return;
        const span = await storage.read(path, { ...range, inside, signal });
        found[local] = readParts(span, partsOf(span, span.length, choice));
      });
      for (const raw of found) {
        if (raw === undefined) continue;
        const label = labelNameOf(raw, settings);
        if (label !== null) labelled += 1;
        for (const [name, value] of raw.values) {
          if (name === label) continue;
          if (value === NOT_SCALAR) survey.add(name, null, 'it is no scalar');
          else survey.add(name, value);
        }
      }
      samples += count;
    });
  }
  const { fields, notices } = survey.finish();
  if (samples > 0 && labelled === 0) {
    const looked = labelNames(settings).join(', ');
    notices.push(
      `no label was found (${looked}): samples have label -1; another name goes into dataset.label_field`,
    );
  }
  return { fields: fields.some(({ name }) => name === 'path') ? fields : [...fields, PATH_FIELD], notices };
}

function shardNotices(shards: readonly IndexedShard[]): string[] {
  const notices: string[] = [];
  const scanned = shards.flatMap(({ path, found }) => (found ? [{ path, ...found }] : []));
  const imageless = scanned.reduce((sum, { leftovers }) => sum + leftovers.imageless, 0);
  if (imageless > 0) {
    const example = scanned.find(({ leftovers }) => leftovers.imageless > 0);
    notices.push(
      `${counted(imageless, 'sample has no image and is', 'samples have no image and are')} left out, in ${example?.path} for one (it has ${example?.leftovers.imagelessExample})`,
    );
  }
  const members = scanned.reduce((sum, { leftovers }) => sum + leftovers.members, 0);
  if (members > 0) {
    notices.push(
      `${counted(members, 'member is', 'members are')} of no sample: their names have no extension, or are __metadata__`,
    );
  }
  const unmarked = scanned.filter(({ end }) => end === 'unmarked');
  if (unmarked.length > 0) {
    notices.push(
      `${counted(unmarked.length, 'shard has no end mark and may have', 'shards have no end marks and may have')} been cut short, ${unmarked[0]?.path} for one`,
    );
  }
  return notices;
}

/** @throws DATASET_MALFORMED for what is wrong with the shard itself */
async function namingShard<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TarError)
      throw failure('DATASET_MALFORMED', { path, reason: error.message }, { cause: error });
    throw error;
  }
}
