import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { indexFailure } from './index-failure.js';
import { FileManifest } from './manifests/file-manifest.js';
import type { Manifest } from './manifests/manifest.js';
import { Mix } from './manifests/mix.js';
import { Selection } from './manifests/selection.js';
import { ShardManifest } from './manifests/shard-manifest.js';
import { MixReader } from './mix-reader.js';
import { sealPart } from './parts.js';
import { SelectionReader } from './selection-reader.js';
import { ShardMemory } from './shard-memory.js';
import type { IndexedDataset, IndexOptions, Parts, SampleReader } from './source.js';
import type { DatasetConfig, SingleDatasetConfig } from './sources/index.js';
import { BUILT_IN_SOURCES, type SourceRegistry } from './sources/registry.js';
import { openStorage, type StorageOptions } from './storage/open.js';
import { ANYWHERE, type Roots } from './storage/roots.js';
import { takeSubset } from './subset.js';

export interface IndexDatasetOptions extends IndexOptions {
  /** @default those built in */
  readonly sources?: SourceRegistry | undefined;
  /** What the dataset's urls may name. @default anything */
  readonly roots?: Roots | undefined;
}

/**
 * Finds a dataset's samples; of a mix, those of all of its datasets.
 *
 * @throws URL_FORBIDDEN when one of its urls is outside of the roots
 * @throws DATASET_NOT_FOUND, DATASET_DENIED, DATASET_UNAVAILABLE when its url cannot be read
 * @throws DATASET_EMPTY, DATASET_MALFORMED when what is there is not a dataset of its source
 * @throws SPEC_INVALID for a subset that is not of this dataset
 * @throws CANCELLED when aborted
 */
export async function indexDataset(
  config: DatasetConfig,
  options: IndexDatasetOptions = {},
): Promise<IndexedDataset> {
  await requireUrls(config, options.roots ?? ANYWHERE);
  const keeping = { keep: onlyDigest, ...options };
  return config.source === 'mix' ? indexMix(config.datasets, keeping) : indexOne(config, keeping);
}

/**
 * Looks at everything that a dataset's configuration names, before any of it is read.
 *
 * @throws URL_FORBIDDEN naming the field, what it says and what is allowed
 */
export async function requireUrls(config: DatasetConfig, roots: Roots): Promise<void> {
  if (config.source !== 'mix') return requireOne(config, roots, 'dataset');
  for (const [i, part] of config.datasets.entries()) await requireOne(part, roots, `dataset.datasets.${i}`);
}

async function requireOne({ url, subset }: SingleDatasetConfig, roots: Roots, field: string): Promise<void> {
  await roots.require(`${field}.url`, url);
  if (typeof subset === 'string') await roots.require(`${field}.subset`, subset);
}

/** Where nothing can be kept, manifests are the same all the same. */
const onlyDigest = async (bytes: Uint8Array) => sealPart(bytes).digest;

async function indexOne(config: SingleDatasetConfig, options: IndexDatasetOptions): Promise<IndexedDataset> {
  const { sources = BUILT_IN_SOURCES, roots, signal } = options;
  const storage = openStorage(config.url, { roots });
  try {
    const { manifest, notices } = await sources.named(config.source).index(config, storage, options);
    if (config.subset === undefined) return { manifest, notices };
    return { manifest: await takeSubset(manifest, config.subset, { roots, signal }), notices };
  } catch (error) {
    throw indexFailure(error, config.url, options.signal);
  } finally {
    await storage.close();
  }
}

async function indexMix(
  configs: readonly SingleDatasetConfig[],
  options: IndexDatasetOptions,
): Promise<IndexedDataset> {
  const parts: Manifest[] = [];
  const notices: string[] = [];
  let files = 0;
  let bytes = 0;
  for (const config of configs) {
    const before = { files, bytes };
    const indexed = await indexOne(config, {
      ...options,
      report(progress) {
        files = before.files + progress.files;
        bytes = before.bytes + progress.bytes;
        options.report?.({ ...progress, files, bytes });
      },
    });
    parts.push(indexed.manifest);
    notices.push(...indexed.notices);
  }
  const mix = new Mix(parts);
  for (const [i, { classes }] of parts.entries()) {
    if (classes.length > 0 || mix.classes.length === 0) continue;
    notices.push(`${configs[i]?.url}: its labels have no names, so its samples have label -1 in this mix`);
  }
  return { manifest: mix, notices };
}

/** Where a dataset lies, as one string for `openDataset`; of a mix, where its datasets lie. */
export function locationOf(config: DatasetConfig): string {
  return config.source === 'mix' ? JSON.stringify(config.datasets.map(({ url }) => url)) : config.url;
}

export interface OpenOptions {
  /** What indexing kept beside the manifest. @default nothing was */
  readonly parts?: Parts;
  readonly storage?: StorageOptions | undefined;
  /** What its shards may keep in memory, with all other readers that are opened with it. @default one of its own */
  readonly memory?: ShardMemory;
  /** @default those built in */
  readonly sources?: SourceRegistry | undefined;
}

const NO_PARTS: Parts = { get: async () => null };

/**
 * A reader of a manifest's samples.
 *
 * @param location where the dataset lies now, as `locationOf` gives it
 */
export function openDataset(location: string, manifest: Manifest, options: OpenOptions = {}): SampleReader {
  const { memory = new ShardMemory() } = options;
  if (manifest instanceof Mix) {
    const urls = mixLocation(location, manifest.parts.length);
    return new MixReader(
      manifest,
      manifest.parts.map((part, i) => openDataset(urls[i] as string, part, { ...options, memory })),
    );
  }
  if (manifest instanceof Selection) {
    return new SelectionReader(manifest, openDataset(location, manifest.whole, { ...options, memory }));
  }
  const source = (options.sources ?? BUILT_IN_SOURCES).ofManifest(manifest.source);
  const storage = openStorage(location, options.storage);
  if (source.kind === 'files' && manifest instanceof FileManifest) return source.open(manifest, storage);
  if (source.kind === 'shards' && manifest instanceof ShardManifest) {
    return source.open(manifest, storage, options.parts ?? NO_PARTS, memory);
  }
  throw failure('DATASET_MALFORMED', {
    path: 'the manifest',
    reason: `it is not of the kind that the source ${manifest.source} makes`,
  });
}

const mixLocationSchema = z.array(z.string());

function mixLocation(location: string, parts: number): readonly string[] {
  const urls = mixLocationSchema.safeParse(tryJson(location));
  if (urls.success && urls.data.length === parts) return urls.data;
  throw failure('SPEC_INVALID', {
    field: "the mix's location",
    value: JSON.stringify(location),
    allowed: `a JSON list of ${parts} urls`,
  });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
