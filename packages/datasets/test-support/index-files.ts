import { type DatasetConfigInput, datasetSchema, FileManifest, indexDataset } from '../src/index.js';

/** Indexes a dataset whose samples are files. */
export async function indexFiles(config: DatasetConfigInput) {
  const { manifest, notices } = await indexDataset(datasetSchema.parse(config));
  if (!(manifest instanceof FileManifest)) throw new TypeError(`${manifest.source} has no manifest of files`);
  return { manifest, notices };
}
