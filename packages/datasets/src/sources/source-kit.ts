import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { inLanes } from '../lanes.js';
import { FileManifestBuilder } from '../manifests/file-manifest.js';
import { ShardManifestBuilder } from '../manifests/shard-manifest.js';
import { compareCodePoints, encodePath, joinPath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import { StorageError } from '../storage/storage.js';
import { datasetUrl, PATH_FIELD, subset } from './common.js';
import { FileReader, readSample } from './file-reader.js';
import { ShardIndexes } from './shard-indexes.js';

/**
 * What third-party sources are made with, handed to them, so that a module works from wherever it lies: these are the parts
 * that the sources of this folder are made of.
 */
export const sourceKit = {
  /** zod, for the schema. */
  z,
  /** The schema's fields that every dataset has. */
  datasetFields: { url: datasetUrl, subset },
  /** The field that every sample has. */
  PATH_FIELD,
  FileManifestBuilder,
  ShardManifestBuilder,
  /** Reads samples that are a file each. */
  FileReader,
  /** Reads from a file of the dataset, with the table's errors. */
  readSample,
  /** Keeps the shards' indexes that were used last. */
  ShardIndexes,
  /** What a storage throws. */
  StorageError,
  /** An error of the table: DATASET_MALFORMED and others. */
  failure,
  /** Counts what was found, for the progress bar. */
  ProgressMeter,
  /** Does work on many things, some at a time. */
  inLanes,
  /** A path as manifests take it. */
  encodePath,
  joinPath,
  /** Python's order of strings. */
  compareCodePoints,
} as const;

export type SourceKit = typeof sourceKit;
