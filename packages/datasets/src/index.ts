/**
 * Datasets: what samples there are (a manifest) and their bytes (a reader), from a source on a storage.
 * A source is one file in sources/, a storage one in storage/; nothing outside names either.
 * No decoding, no order, no spec beyond the dataset's own part of it here.
 */
export {
  type IndexDatasetOptions,
  indexDataset,
  locationOf,
  type OpenOptions,
  openDataset,
  requireUrls,
} from './dataset.js';
export { CLASSES_FILE, encodeClasses } from './formats/classes-file.js';
export type { ShardFormat, ShardFormatOptions, ShardSample, WrittenShard } from './formats/format.js';
export { SHARD_FORMATS, shardFormat } from './formats/index.js';
export {
  type Inspection,
  type InspectionGroup,
  type InspectOptions,
  inspectDataset,
  inspectionNotices,
  type SniffResult,
} from './inspect.js';
export { inLanes } from './lanes.js';
export { decodeManifest, factsOf, readFacts } from './manifests/decode.js';
export { FileManifest, FileManifestBuilder, type ManifestCapacity } from './manifests/file-manifest.js';
export { checkManifest } from './manifests/header.js';
export type { Manifest, ManifestFacts, ManifestHeader, SampleField } from './manifests/manifest.js';
export { Mix } from './manifests/mix.js';
export { Selection } from './manifests/selection.js';
export { type Shard, ShardManifest, ShardManifestBuilder } from './manifests/shard-manifest.js';
export { partsFrom, sealPart } from './parts.js';
export { type KeptParts, partsInMemory } from './parts-in-memory.js';
export { compareCodePoints } from './paths.js';
export { DEFAULT_SHARD_MEMORY_BYTES, ShardMemory } from './shard-memory.js';
export type {
  DatasetSource,
  FileSource,
  IndexedDataset,
  IndexOptions,
  IndexProgress,
  Parts,
  Sample,
  SampleReader,
  ShardSource,
  SourceConfig,
} from './source.js';
export {
  type DatasetConfig,
  type DatasetConfigInput,
  datasetSchema,
  type MixConfig,
  type SingleDatasetConfig,
  SOURCES,
} from './sources/index.js';
export { BUILT_IN_SOURCES, SourceRegistry, type ThirdPartySource } from './sources/registry.js';
export type { SourceKit } from './sources/source-kit.js';
export { loadSources } from './sources/third-party.js';
export { newStorageCounts, type StorageCounts } from './storage/counts.js';
export { LocalStorage, type LocalStorageOptions } from './storage/local.js';
export { openStorage, type StorageOptions } from './storage/open.js';
export { ReadCache, type ReadCacheOptions } from './storage/read-cache.js';
export { DEFAULT_REMOTE_LIMITS, type RemoteLimits, type StorageNews } from './storage/remote.js';
export { ANYWHERE, Roots } from './storage/roots.js';
export {
  type FileStat,
  type FolderListing,
  type ListOptions,
  type ReadOptions,
  type Storage,
  StorageError,
  type StorageErrorKind,
} from './storage/storage.js';
