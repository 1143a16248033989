import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { inLanes } from '../lanes.js';
import { malformed } from '../malformed.js';
import { compareCodePoints, encodePath, joinPath, whyUnsafe } from '../paths.js';
import { type Storage, StorageError } from '../storage/storage.js';
import { datasetUrl } from './common.js';
import type { LeftOut } from './left-out.js';
import { namesOf, scanFolders } from './scan.js';
import {
  expandBraces,
  hasBraces,
  hasWildcards,
  MAX_SHARDS,
  matchesWildcards,
  PatternError,
} from './shard-pattern.js';

/** A shard before it is looked into. */
export interface ListedShard {
  readonly path: string;
  /** Bytes of its file, where that is known already. */
  readonly size: number | null;
  /** Where wids' index tells. */
  readonly samples: number | null;
  /** Whether its name comes out of a file of the dataset: such a name may not lead out of the root by a link either. */
  readonly isFromFile: boolean;
}

/** What `widsindex create` writes by default. */
export const WIDS_FILE = 'shardindex.json';

/** Of a list's file: a million names of a hundred bytes. */
const MAX_LIST_BYTES = 128 * 1024 * 1024;
/** What a source's shards are called, and whether wids' index may name them. */
export interface ShardKind {
  readonly name: RegExp;
  readonly hasWids: boolean;
}

/** The part of a source's schema that says which of the files below `url` are its shards. */
export const shardsSchema = z
  .union([z.string().min(1).max(4096), z.array(z.string().min(1).max(4096)).min(1).max(100_000)])
  .optional();

/** The url of a source whose shards are files of a kind below it. */
export const shardsUrl = (extension: string) =>
  datasetUrl.refine((url) => !/[{}*]/.test(url) && !url.toLowerCase().endsWith(extension), {
    error: `the folder of the shards; their names go into dataset.shards: train-{000000..000147}${extension}`,
  });

/**
 * The shards that a config means, in order: those of `shards`, else of wids' index, else every one under the root.
 *
 * @param shards names, patterns, a `.json` file as wids' index is, or a `.txt` file of names
 * @throws SPEC_INVALID, DATASET_NOT_FOUND, DATASET_MALFORMED; StorageError
 */
export async function listShards(
  storage: Storage,
  shards: string | readonly string[] | undefined,
  kind: ShardKind,
  leftOut: LeftOut,
  signal: AbortSignal | undefined,
): Promise<ListedShard[]> {
  if (shards === undefined) {
    const byWids = kind.hasWids ? await readWids(storage, WIDS_FILE, signal) : null;
    return byWids ?? listAll(storage, kind, leftOut, signal);
  }
  const listed: ListedShard[] = [];
  for (const entry of typeof shards === 'string' ? [shards] : shards) {
    for (const shard of await expand(storage, entry, kind, signal)) listed.push(shard);
    if (listed.length > MAX_SHARDS) throw invalid(entry, `at most ${MAX_SHARDS} shards`);
  }
  return listed;
}

/** What an error says was found where no shard was. */
export function noneListed(
  shards: string | readonly string[] | undefined,
  extension: string,
  leftOut: LeftOut,
): string {
  if (shards === undefined) return `no ${extension}; ${leftOut.explanation() || 'it has no files'}`;
  return `nothing has a name that dataset.shards, ${JSON.stringify(shards).slice(0, 200)}, matches`;
}

async function expand(
  storage: Storage,
  entry: string,
  kind: ShardKind,
  signal: AbortSignal | undefined,
): Promise<ListedShard[]> {
  const isIndex = kind.hasWids && /\.json$/i.test(entry);
  if (!hasBraces(entry) && (isIndex || /\.txt$/i.test(entry))) {
    const found = await (isIndex ? readWids(storage, entry, signal) : readList(storage, entry, signal));
    if (found !== null) return found;
    throw failure('DATASET_NOT_FOUND', {
      url: joinPath(storage.url, entry),
      reason: 'there is no such file',
    });
  }
  const names = inSpec(entry, () => expandBraces(entry));
  const listed: ListedShard[] = [];
  for (const name of names) {
    const unsafe = whyUnsafe(encodePath(name));
    if (unsafe !== null) throw invalid(name, `a path below dataset.url: ${unsafe}`);
    if (!hasWildcards(name)) listed.push({ path: name, size: null, samples: null, isFromFile: false });
    else listed.push(...(await listMatching(storage, name, signal)));
  }
  return listed;
}

/** Every shard below the root, sorted by path. */
async function listAll(
  storage: Storage,
  kind: ShardKind,
  leftOut: LeftOut,
  signal: AbortSignal | undefined,
): Promise<ListedShard[]> {
  const accept = (name: string) => kind.name.test(name) || leftOut.byName(name);
  const skipped = (path: string, reason: string) => leftOut.byReason(path, reason);
  const folders = await scanFolders(storage, { accept, skipped, signal });
  return folders
    .flatMap((folder) =>
      namesOf(folder).map((name, i) => found(joinPath(folder.path, name), folder.sizes[i]!)),
    )
    .sort((a, b) => compareCodePoints(a.path, b.path));
}

/** The files that a path with wildcards stands for, sorted by path; folders are listed as far as the path goes. */
async function listMatching(
  storage: Storage,
  pattern: string,
  signal: AbortSignal | undefined,
): Promise<ListedShard[]> {
  const parts = pattern.split('/');
  const last = parts.pop() as string;
  let folders = [''];
  for (const part of parts) {
    const next: string[] = [];
    for (const folder of folders) {
      if (!hasWildcards(part)) next.push(joinPath(folder, part));
      else {
        const { folders: below } = await storage.list(folder, { accept: () => false, signal });
        for (const name of below) if (matchesWildcards(name, part)) next.push(joinPath(folder, name));
      }
    }
    folders = next;
  }
  const shards: ListedShard[] = [];
  for (const folder of folders) {
    const { names, sizes } = await storage.list(folder, {
      accept: (name) => matchesWildcards(name, last),
      signal,
    });
    names.forEach((name, i) => {
      shards.push(found(joinPath(folder, name), sizes[i]!));
    });
  }
  return shards.sort((a, b) => compareCodePoints(a.path, b.path));
}

const found = (path: string, size: number): ListedShard => ({ path, size, samples: null, isFromFile: false });

/** A name or a pattern with braces a line; `#` begins a comment. */
async function readList(
  storage: Storage,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ListedShard[] | null> {
  const text = await readText(storage, path, signal);
  if (text === null) return null;
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const shards: ListedShard[] = [];
  for (const line of names) {
    const expanded = inFile(path, () => expandBraces(line));
    if (shards.length + expanded.length > MAX_SHARDS)
      throw malformed(path, `it names more than ${MAX_SHARDS} shards`);
    for (const name of expanded) shards.push({ ...named(storage, path, name), size: null, samples: null });
  }
  return shards;
}

const widsSchema = z.object({
  wids_version: z.literal(1),
  base: z.string().optional(),
  shardlist: z.array(
    z.object({
      url: z.string(),
      nsamples: z.int().min(0),
      filesize: z.int().min(0).optional(),
    }),
  ),
});

/** wids' index of shards: https://github.com/webdataset/webdataset, `widsindex create`. */
async function readWids(storage: Storage, path: string, signal: AbortSignal | undefined) {
  const text = await readText(storage, path, signal);
  if (text === null) return null;
  const index = inFile(path, () => widsSchema.parse(JSON.parse(text)));
  return index.shardlist.map(({ url, nsamples, filesize }) => ({
    ...named(storage, path, index.base === undefined ? url : `${index.base.replace(/\/+$/, '')}/${url}`),
    size: filesize ?? null,
    samples: nsamples,
  }));
}

/** A name in a file, relative to that file; below the root's own url it may be absolute. */
function named(storage: Storage, file: string, name: string): Pick<ListedShard, 'path' | 'isFromFile'> {
  const root = `${storage.url.replace(/\/+$/, '')}/`;
  const folder = file.slice(0, file.lastIndexOf('/') + 1);
  const path = name.startsWith(root) ? name.slice(root.length) : folder + name.replace(/^(?:\.\/+)+/, '');
  const unsafe = whyUnsafe(encodePath(path));
  if (unsafe !== null || /^[a-z][a-z0-9+.-]*:/i.test(path)) {
    const reason = unsafe ?? 'it is a URL of its own';
    throw malformed(
      file,
      `the shard ${JSON.stringify(name.slice(0, 200))} does not lie below ${storage.url}: ${reason}`,
    );
  }
  return { path, isFromFile: true };
}

async function readText(
  storage: Storage,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    const bytes = await storage.read(path, { length: MAX_LIST_BYTES + 1, signal });
    if (bytes.length > MAX_LIST_BYTES) throw malformed(path, `it is longer than ${MAX_LIST_BYTES} bytes`);
    return Buffer.from(bytes.buffer, 0, bytes.length).toString('utf8');
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'not-found') return null;
    throw error;
  }
}

/** Sizes looked up at once; on network storage each waits for a round trip. */
const STAT_LANES = 16;

/** The sizes of shards whose names alone were known. */
export async function withSizes(
  storage: Storage,
  shards: readonly ListedShard[],
  signal: AbortSignal | undefined,
): Promise<(ListedShard & { readonly size: number })[]> {
  const sized: (ListedShard & { readonly size: number })[] = new Array(shards.length);
  await inLanes(shards.length, STAT_LANES, async (i) => {
    const shard = shards[i] as ListedShard;
    const size = shard.size ?? (await storage.stat(shard.path, signal)).size;
    sized[i] = { ...shard, size };
  });
  return sized;
}

function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof z.ZodError) throw malformed(path, firstIssue(error));
    throw malformed(path, error instanceof Error ? error.message : String(error));
  }
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  return issue === undefined ? 'it is not an index' : `${issue.path.join('.')}: ${issue.message}`;
}

function inSpec<T>(pattern: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PatternError) throw invalid(pattern, error.message);
    throw error;
  }
}

const invalid = (pattern: string, reason: string) =>
  failure('SPEC_INVALID', {
    field: 'dataset.shards',
    value: JSON.stringify(pattern.slice(0, 200)),
    allowed: `names of shards, with {000..147} and wildcards: ${reason}`,
  });
