import { resolve } from 'node:path';
import { failure } from '@cropstream/errors';

/** Where a dataset is. */
export interface DataPlace {
  readonly url: string;
  /** The names of its shards below the url, where they were given. */
  readonly shards?: string;
}

/** What it seems to be. */
export interface DataGuess extends DataPlace {
  readonly source: string;
  /** Half a sentence. */
  readonly why: string;
}

/** Whether a place is named by a scheme, and so is no path. */
export const isUrl = (path: string) => /^[a-z][a-z0-9+.-]*:\/\//i.test(path);

/** Shards by the end of their names. */
const SHARDS = [
  { source: 'webdataset', ending: /\.tar$/i, why: 'it has tar shards' },
  { source: 'parquet', ending: /\.parquet$/i, why: 'it has parquet files' },
] as const;

/** Files that give a kind of dataset away, in its folder or in the one that its archive unpacks to. */
const SIGNS = [
  { source: 'webdataset', folders: [''], files: ['shardindex.json'], why: 'it has an index of tar shards' },
  {
    source: 'cifar10',
    folders: ['', 'cifar-10-batches-bin'],
    files: ['data_batch_1.bin', 'test_batch.bin'],
    why: "it has CIFAR-10's binary batches",
  },
  {
    source: 'cifar100',
    folders: ['', 'cifar-100-binary'],
    files: ['fine_label_names.txt'],
    why: "it has CIFAR-100's binary files",
  },
] as const;

/** How LitData's index begins: other things have an index.json, too. */
const LITDATA_INDEX = /^\{\s*"chunks":/;

/** Names looked at: one page of a store's listing. A folder of images has none that tells. */
const NAMES = 1000;
/** A store that does not answer is told of when the dataset is indexed. */
const RETRY_MS = 1000;

/**
 * What kind of dataset a path or a URL is, by a few names in it. A place that cannot be read is a folder of images, until it is
 * indexed.
 *
 * @throws as `placeOf`
 */
export async function guessSource(data: string): Promise<DataGuess> {
  const place = placeOf(data);
  const named = place.shards === undefined ? undefined : kindOfShards(data);
  if (named !== undefined) return { ...place, source: named.source, why: 'by the names of its shards' };
  const guess = await lookInto(place.url).catch(() => null);
  return guess ?? { ...place, source: 'image-folder', why: 'a folder of images' };
}

const kindOfShards = (name: string) => SHARDS.find(({ ending }) => ending.test(name));

/**
 * `s3://bucket/a/train-{000..146}.tar` is a folder, and names of shards in it; anything else is the folder itself.
 *
 * @throws SPEC_INVALID for a URL with a slash too few, which would be a strange path
 */
export function placeOf(data: string): DataPlace {
  const [, scheme, rest] = /^(s3|gs|https?|file):\/?(?!\/)(.*)$/i.exec(data) ?? [];
  if (scheme !== undefined) {
    throw failure('SPEC_INVALID', {
      field: '--data',
      value: data,
      allowed: `two slashes: ${scheme}://${rest}`,
    });
  }
  if (kindOfShards(data) === undefined) return { url: isUrl(data) ? data : resolve(data) };
  const parts = data.split('/');
  const pattern = parts.findIndex((part) => /[{}*?]/.test(part));
  const first = pattern === -1 ? parts.length - 1 : pattern;
  const folder = parts.slice(0, first).join('/') || (data.startsWith('/') ? '/' : '.');
  return { url: isUrl(data) ? folder : resolve(folder), shards: parts.slice(first).join('/') };
}

async function lookInto(url: string): Promise<DataGuess | null> {
  const { openStorage } = await import('@cropstream/datasets');
  const storage = openStorage(url, { retryMs: RETRY_MS });
  const isThere = (path: string) =>
    storage.stat(path).then(
      () => true,
      () => false,
    );
  try {
    const index = await storage.read('index.json', { length: 64 }).catch(() => new Uint8Array());
    if (LITDATA_INDEX.test(Buffer.from(index).toString('latin1'))) {
      return { source: 'litdata', url, why: "it has LitData's index.json" };
    }
    for (const { source, folders, files, why } of SIGNS) {
      for (const folder of folders) {
        const paths = files.map((file) => (folder === '' ? file : `${folder}/${file}`));
        const found = await Promise.all(paths.map(isThere));
        if (!found.includes(true)) continue;
        return { source, url: folder === '' ? url : `${url.replace(/\/$/, '')}/${folder}`, why };
      }
    }
    // A repository of the Hugging Face Hub has them in data/.
    const named =
      (await shardsAmongFirst(storage, '')) ?? (await shardsAmongFirst(storage, 'data').catch(() => null));
    return named && { source: named.source, url, why: named.why };
  } finally {
    await storage.close();
  }
}

/** The kind of shards that is among the first names of a folder. */
async function shardsAmongFirst(storage: import('@cropstream/datasets').Storage, folder: string) {
  const enough = new AbortController();
  let seen = 0;
  let found: (typeof SHARDS)[number] | undefined;
  const accept = (name: string) => {
    found ??= kindOfShards(name);
    seen += 1;
    if (found !== undefined || seen >= NAMES) enough.abort();
    return false;
  };
  await storage.list(folder, { accept, signal: enough.signal }).catch((error: unknown) => {
    if (!enough.signal.aborted) throw error;
  });
  return found ?? null;
}
