import { basename, dirname } from 'node:path';
import { CropstreamError, failure } from '@cropstream/errors';
import { FileManifest } from './manifests/file-manifest.js';
import { Selection } from './manifests/selection.js';
import type { ShardManifest } from './manifests/shard-manifest.js';
import { openStorage } from './storage/open.js';
import { StorageError } from './storage/storage.js';

/**
 * The samples that a spec's `subset` names, in its order; an id that is there twice is a sample twice.
 *
 * @param subset ids, or a file (on any storage) of ids between white space or commas (a JSON array is one, too)
 * @throws DATASET_NOT_FOUND when the file cannot be read
 * @throws SPEC_INVALID for an empty list, and for anything in it that is not a sample's id
 */
export async function takeSubset(
  manifest: FileManifest | ShardManifest,
  subset: string | readonly number[],
): Promise<FileManifest | Selection> {
  const ids = typeof subset === 'string' ? await readIds(subset) : subset;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    if (!(Number.isInteger(id) && id >= 0 && id < manifest.length)) {
      throw invalid(`${id}, the entry at ${i}`, `sample ids from 0 to ${manifest.length - 1}`);
    }
  }
  if (ids.length === 0) throw invalid('an empty list', 'at least one sample id');
  if (manifest instanceof FileManifest) return manifest.select(ids);
  return new Selection(manifest, BigUint64Array.from(ids, BigInt));
}

async function readIds(path: string): Promise<Float64Array> {
  let text: string;
  try {
    const storage = openStorage(dirname(path));
    text = new TextDecoder().decode(await storage.read(basename(path)).finally(() => storage.close()));
  } catch (error) {
    if (error instanceof CropstreamError) throw error;
    const reason = error instanceof StorageError ? error.reason : String(error);
    throw failure(
      'DATASET_NOT_FOUND',
      { url: path, reason: `it is the dataset's subset: ${reason}` },
      { cause: error },
    );
  }
  const words = text.replace(/^\s*\[|\]\s*$/g, '').match(/[^\s,]+/g) ?? [];
  return Float64Array.from(words, (word, i) => {
    if (!/^\d{1,15}$/.test(word)) {
      throw invalid(`${JSON.stringify(word.slice(0, 40))}, the entry at ${i} of ${path}`, 'sample ids');
    }
    return Number(word);
  });
}

function invalid(value: string, allowed: string) {
  return failure('SPEC_INVALID', { field: 'dataset.subset', value, allowed });
}
