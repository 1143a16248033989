import { resolve } from 'node:path';
import type { TransformRegistry } from '@cropstream/augment';
import type {
  DatasetConfig,
  IndexDatasetOptions,
  IndexedDataset,
  KeptParts,
  Manifest,
  SampleReader,
} from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import type { ResolvedSpec } from '@cropstream/spec';
import { type Command, Option } from 'commander';
import { collect, given, integer } from './flags.js';
import type { Output } from './output.js';
import { progressCount } from './progress.js';

/** The flags that say what is served: the same for every command that makes samples. */
export interface RunOptions {
  readonly data?: string;
  readonly source?: string;
  readonly split?: string;
  readonly subset?: string;
  readonly labels?: string;
  readonly spec?: string;
  readonly recipe?: string;
  readonly seed?: number;
  readonly globalBatchSize?: number;
  readonly shuffle?: boolean;
  readonly dropLast?: boolean;
  readonly exifRotation?: boolean;
  readonly draft?: number;
  readonly onBadSample?: string;
  readonly transform?: readonly string[];
  readonly sourceModule?: readonly string[];
}

export const DEFAULT_RECIPE = 'dino';

/** 224 pixels out of 32 are a waste; the lesson's own factory function chooses by dataset as well. */
const CIFAR_RECIPE = 'lesson-cifar10';

/**
 * Adds them. `--spec` gives a whole run; the other flags then override its fields.
 * @param unused attribute names of flags that change nothing in what this command says: they are taken all the same,
 *   so that a line of flags serves every command, but --help leaves them out
 */
export function addRunOptions(command: Command, unused: readonly (keyof RunOptions)[] = []): Command {
  addViewOptions(command)
    .option(
      '--data <place>',
      'a folder, or an s3://, gs:// or http:// URL, of images, of LitData, of tar or parquet shards, ... (which is guessed)',
      given,
    )
    .option('--source <name>', 'what it is, where the guess is wrong: image-folder, litdata, webdataset, ...')
    .option('--source-module <module>', "a third-party source's ES module; repeatable", collect)
    .option('--split <name>', 'of cifar10 and cifar100: train or test')
    .option('--subset <file>', 'a file of sample numbers, one a line: only these', given)
    .addOption(
      new Option(
        '--labels <how>',
        "of image-folder: the root's folders are the classes, or none: every image below, label -1; of cifar100: fine or coarse",
      ).choices(['folders', 'none', 'fine', 'coarse']),
    )
    .option('--global-batch-size <n>', 'samples in a step over all ranks (default: min(64, N))', integer(1))
    .option('--no-shuffle', "keep the dataset's own order")
    .option('--no-drop-last', 'keep the tail of an epoch that fills no step')
    .addOption(
      new Option('--on-bad-sample <what>', 'put a good sample in its place, or end the run').choices([
        'substitute',
        'fail',
      ]),
    );
  for (const option of command.options) {
    if (unused.some((name) => name === option.attributeName())) option.hideHelp();
  }
  return command;
}

/** The flags that say how a view is made, for commands that need no dataset. */
export function addViewOptions(command: Command): Command {
  return command
    .option('--spec <file>', 'a run spec, YAML or JSON; flags override its fields', given)
    .option('--recipe <name>', `a preset of views (default: ${DEFAULT_RECIPE}; for CIFAR ${CIFAR_RECIPE})`)
    .option('--seed <n>', 'seed of the run', integer(0))
    .option('--exif-rotation', 'turn images upright by their EXIF orientation')
    .option(
      '--draft <pixels>',
      'decode JPEGs at 1/2, 1/4 or 1/8 where both sides stay so long: faster, other pixels',
      integer(1),
    )
    .option('--transform <module>', "a third-party transform's ES module; repeatable", collect);
}

/** Absolute paths of third-party ES modules. */
export interface Modules {
  readonly transforms: readonly string[];
  readonly sources: readonly string[];
}

export function modulesOf({ transform = [], sourceModule = [] }: RunOptions): Modules {
  return {
    transforms: transform.map((path) => resolve(path)),
    sources: sourceModule.map((path) => resolve(path)),
  };
}

export interface OpenedRun {
  readonly spec: ResolvedSpec;
  /** What the spec was before defaults were filled in: what a service is sent. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly manifest: Manifest;
  /** Where the dataset lies, for `openDataset`. */
  readonly location: string;
  readonly registry: TransformRegistry;
  /** As `location` and `manifest` say. */
  openReader(): SampleReader;
  readonly modules: Modules;
}

/** The run input that the flags and the spec file make together; notices go to `output`. */
export async function runInput(options: RunOptions, output: Output): Promise<Record<string, unknown>> {
  const input: Record<string, unknown> = {};
  if (options.spec !== undefined) {
    const { loadSpecFile } = await import('@cropstream/spec');
    const { spec, notices } = await loadSpecFile(options.spec);
    Object.assign(input, spec);
    for (const notice of notices) output.note(`note: ${notice}`);
  }
  const dataset = await datasetInput(options, input.dataset, output);
  if (dataset === undefined) {
    throw failure('SPEC_INCOMPLETE', {
      field: '--data',
      allowed: 'a folder or a URL of a dataset, or a --spec that names one',
    });
  }
  input.dataset = dataset;
  if (options.recipe !== undefined) input.recipe = options.recipe;
  if (input.recipe === undefined && input.views === undefined) {
    const cifar = dataset.source === 'cifar10' || dataset.source === 'cifar100';
    input.recipe = cifar ? CIFAR_RECIPE : DEFAULT_RECIPE;
    const whose = cifar ? `for ${dataset.source}` : 'of the command line';
    output.note(`recipe: ${input.recipe}, the default ${whose} (--recipe, or recipe and views of a spec)`);
  }
  const { viewNotices } = await import('@cropstream/augment');
  for (const notice of viewNotices(input)) output.note(`note: ${notice}`);
  if (options.seed !== undefined) input.seed = options.seed;
  if (options.globalBatchSize !== undefined) input.global_batch_size = options.globalBatchSize;
  // commander sets these to true where their --no- is absent.
  if (options.shuffle === false) input.shuffle = false;
  if (options.dropLast === false) input.drop_last = false;
  if (options.onBadSample !== undefined) input.on_bad_sample = options.onBadSample;
  if (options.exifRotation) input.decode = { ...asRecord(input.decode), exif_rotation: true };
  if (options.draft !== undefined) input.decode = { ...asRecord(input.decode), draft: options.draft };
  return input;
}

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {};

async function datasetInput(
  options: RunOptions,
  before: unknown,
  output: Output,
): Promise<Record<string, unknown> | undefined> {
  const { data, source, split, subset, labels } = options;
  if ([data, source, split, subset, labels].every((flag) => flag === undefined)) {
    return before === undefined ? undefined : asRecord(before);
  }
  const named = asRecord(before).source;
  const { guessSource, placeOf } = await import('./guess-source.js');
  const guess = data === undefined || source !== undefined ? undefined : await guessSource(data);
  const place = guess ?? (data === undefined ? undefined : placeOf(data));
  const chosen = source ?? guess?.source ?? named;
  // The spec's fields of another source are not this one's.
  const kept = named === undefined || named === chosen;
  const dataset: Record<string, unknown> = kept ? asRecord(before) : { url: asRecord(before).url };
  dataset.source = chosen;
  if (place !== undefined) {
    dataset.url = place.url;
    if (place.shards !== undefined) dataset.shards = place.shards;
  }
  if (guess !== undefined) {
    const other = named !== undefined && named !== guess.source ? `, not the spec's ${named}` : '';
    if (guess.source !== 'image-folder' || other !== '') {
      output.note(`data: ${guess.url} as ${guess.source}${other} (${guess.why})`);
    }
  }
  if (split !== undefined) dataset.split = split;
  if (subset !== undefined) dataset.subset = resolve(subset);
  if (labels !== undefined) dataset.labels = labels;
  return dataset;
}

/** Reads the flags, indexes the dataset and resolves the spec: for commands that make no views, so whose are no matter. */
export function openDatasetOf(options: RunOptions, output: Output, how: OpenHow): Promise<OpenedRun> {
  const unsaid = options.spec === undefined && options.recipe === undefined;
  return openRun(unsaid ? { ...options, recipe: DEFAULT_RECIPE } : options, output, how);
}

export interface OpenHow {
  readonly signal: AbortSignal;
  /** What indexing keeps beside the manifest. @default in memory */
  readonly kept?: KeptParts;
}

/** Reads the flags, indexes the dataset and resolves the spec. */
export async function openRun(options: RunOptions, output: Output, how: OpenHow): Promise<OpenedRun> {
  const [{ loadTransforms }, { loadSources, locationOf, openDataset, partsInMemory }, { parseSpec }] =
    await Promise.all([
      import('@cropstream/augment'),
      import('@cropstream/datasets'),
      import('@cropstream/spec'),
    ]);
  const { signal, kept = partsInMemory() } = how;
  const modules = modulesOf(options);
  const registry = await loadTransforms(modules.transforms);
  const sources = await loadSources(modules.sources);
  const input = await runInput(options, output);
  // All of the spec is checked before the dataset is read; how many samples it has then decides the default batch.
  const { dataset } = parseSpec(input, { transforms: registry, sources, samples: 1 });
  const { manifest, notices } = await indexWithBar(dataset, { sources, signal, keep: kept.keep });
  for (const notice of notices) output.note(`note: ${notice}`);
  const spec = parseSpec(input, { transforms: registry, sources, samples: manifest.length });
  const location = locationOf(dataset);
  const openReader = () => openDataset(location, manifest, { sources, parts: kept.parts });
  return { spec, input, manifest, location, openReader, registry, modules };
}

/** Indexes a dataset; on a terminal a line counts its files. */
export async function indexWithBar(
  dataset: DatasetConfig,
  options: Pick<IndexDatasetOptions, 'sources' | 'signal' | 'keep'>,
): Promise<IndexedDataset> {
  const { indexDataset } = await import('@cropstream/datasets');
  const bar = await progressCount('indexing', 'files');
  try {
    return await indexDataset(dataset, { ...options, report: ({ files }) => bar.update(files) });
  } finally {
    bar.stop();
  }
}
