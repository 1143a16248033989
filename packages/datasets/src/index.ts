/**
 * Datasets: what samples there are (a manifest) and their bytes (a reader), from a source on a storage.
 * A source is one file in sources/, a storage one in storage/; nothing outside names either.
 * No decoding, no order, no spec beyond the dataset's own part of it here.
 */
export { indexDataset, openDataset } from './dataset.js';
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
export {
  Manifest,
  ManifestBuilder,
  type ManifestCapacity,
  type ManifestHeader,
  type SampleField,
} from './manifest.js';
export { checkManifest, type ManifestFacts, readFacts } from './manifest-format.js';
export { compareCodePoints } from './paths.js';
export type {
  DatasetSource,
  IndexedDataset,
  IndexOptions,
  IndexProgress,
  Sample,
  SampleReader,
  SourceConfig,
} from './source.js';
export { type DatasetConfig, type DatasetConfigInput, datasetSchema, SOURCES } from './sources/index.js';
export { newStorageCounts, type StorageCounts } from './storage/counts.js';
export { LocalStorage, type LocalStorageOptions } from './storage/local.js';
export { openStorage, type StorageOptions } from './storage/open.js';
export { DEFAULT_REMOTE_LIMITS, type RemoteLimits } from './storage/remote.js';
export {
  type FileStat,
  type FolderListing,
  type ListOptions,
  type ReadOptions,
  type Storage,
  StorageError,
  type StorageErrorKind,
} from './storage/storage.js';
