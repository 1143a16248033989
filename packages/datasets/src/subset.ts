import { basename, dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { failure } from '@cropstream/errors';
import { indexFailure } from './index-failure.js';
import { FileManifest } from './manifests/file-manifest.js';
import { Selection } from './manifests/selection.js';
import type { ShardManifest } from './manifests/shard-manifest.js';
import { openStorage } from './storage/open.js';
import type { Roots } from './storage/roots.js';
import { StorageError } from './storage/storage.js';

/** Of a subset's file: some thirty million ids. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** Ids taken in one turn of the event loop: some ten milliseconds. */
const IDS_A_TURN = 50_000;

interface Reading {
  readonly roots?: Roots | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The samples that a spec's `subset` names, in its order; an id that is there twice is a sample twice.
 *
 * @param subset ids, or a file (on any storage) of ids between white space or commas (a JSON array is one, too)
 * @throws DATASET_NOT_FOUND, DATASET_DENIED, DATASET_UNAVAILABLE when the file cannot be read
 * @throws SPEC_INVALID for an empty list, and for anything in it that is not a sample's id
 */
export async function takeSubset(
  manifest: FileManifest | ShardManifest,
  subset: string | readonly number[],
  reading: Reading = {},
): Promise<FileManifest | Selection> {
  const ids = typeof subset === 'string' ? await readIds(subset, reading) : subset;
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

async function readIds(path: string, reading: Reading): Promise<number[]> {
  const text = await readText(path, reading);
  const ids: number[] = [];
  for (const [word] of text.replace(/^\s*\[|\]\s*$/g, '').matchAll(/[^\s,]+/g)) {
    if (!/^\d{1,15}$/.test(word)) {
      throw invalid(
        `${JSON.stringify(word.slice(0, 40))}, the entry at ${ids.length} of ${path}`,
        'sample ids',
      );
    }
    if (ids.push(Number(word)) % IDS_A_TURN === 0) await nextTurn();
  }
  return ids;
}

async function readText(path: string, { roots, signal }: Reading): Promise<string> {
  const storage = openStorage(dirname(path), { roots });
  try {
    const bytes = await storage.read(basename(path), { length: MAX_FILE_BYTES + 1, signal });
    if (bytes.length <= MAX_FILE_BYTES) return new TextDecoder().decode(bytes);
  } catch (error) {
    if (!(error instanceof StorageError)) throw indexFailure(error, path, signal);
    const { kind, reason } = error;
    const told = new StorageError(kind, '', `it is the dataset's subset: ${reason}`, { cause: error });
    throw indexFailure(told, path, signal);
  } finally {
    await storage.close();
  }
  throw invalid(path, `a file of at most ${MAX_FILE_BYTES} bytes`);
}

function invalid(value: string, allowed: string) {
  return failure('SPEC_INVALID', { field: 'dataset.subset', value, allowed });
}
