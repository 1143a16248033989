import { close, constants, type Dirent, fstat, open, read, type Stats, stat } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { inLanes } from '../lanes.js';
import { decodePath, joinPath } from '../paths.js';
import { newStorageCounts, type StorageCounts } from './counts.js';
import { FileSizes } from './file-sizes.js';
import { realSleep, retrying, type Sleep } from './retry.js';
import { ANYWHERE, type Roots } from './roots.js';
import { safePath } from './safe-path.js';
import { UNKNOWN } from './size-task.js';
import {
  type FileStat,
  type FolderListing,
  type ListOptions,
  type ReadOptions,
  type Storage,
  StorageError,
  type StorageErrorKind,
} from './storage.js';

/** What is used of an open file. */
export interface OpenFile {
  readonly fd: number;
  read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }>;
  stat(): Promise<Stats>;
  close(): Promise<void>;
}

/** The calls that are used, so that tests can make them fail. */
export interface FileSystem extends Pick<typeof nodeFs, 'readdir' | 'realpath'> {
  open(path: string | Buffer, flags: number): Promise<OpenFile>;
  stat(path: string | Buffer): Promise<Stats>;
}

type Callback<T> = (error: Error | null, value: T) => void;

/** Making small images is mostly reads: callbacks cost half of the promised calls' CPU time. */
function byCallback<T>(call: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value)));
  });
}

class Descriptor implements OpenFile {
  constructor(readonly fd: number) {}

  async read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }> {
    const bytesRead = await byCallback<number>((done) => read(this.fd, into, at, length, position, done));
    return { bytesRead };
  }

  stat(): Promise<Stats> {
    return byCallback((done) => fstat(this.fd, done));
  }

  close(): Promise<void> {
    return byCallback((done) => close(this.fd, (error) => done(error ?? null, undefined)));
  }
}

const REAL_FILE_SYSTEM: FileSystem = {
  ...nodeFs,
  open: async (path, flags) => new Descriptor(await byCallback((done) => open(path, flags, done))),
  stat: (path) => byCallback((done) => stat(path, done)),
};

export interface LocalStorageOptions {
  readonly counts?: StorageCounts;
  readonly sleep?: Sleep;
  readonly fs?: FileSystem;
  /** Where links may lead. @default anywhere */
  readonly roots?: Roots | undefined;
}

/** Failures that pass by themselves: descriptors run out, a network file system hiccups. */
const TRANSIENT = new Set([
  'EAGAIN',
  'EBUSY',
  'EINTR',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ESTALE',
  'ETIMEDOUT',
]);
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);
const DENIED = new Set(['EACCES', 'EPERM']);

const SLASH = 0x2f;

/** A FIFO or a device under a sample's name must not block the thread pool. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Bytes asked for in one call: Linux gives two GiB at most. */
const MOST_AT_ONCE = 1 << 30;

const LEADS_OUT = 'a link leads out of what may be read';

/** Stats in flight for one folder; more than libuv's threads, so that none of them idles. */
const STAT_LANES = 16;

/** Files under a folder of this machine (or of a network file system mounted there). Follows links. */
export class LocalStorage implements Storage {
  readonly url: string;
  readonly #sleep: Sleep;
  readonly #fs: FileSystem;
  readonly #counts: StorageCounts;
  readonly #roots: Roots;
  /** Null where tests have calls of their own. */
  readonly #fileSizes: FileSizes | null;

  /** @param root absolute path of the folder */
  constructor(root: string, options: LocalStorageOptions = {}) {
    const { sleep = realSleep, fs = REAL_FILE_SYSTEM, counts = newStorageCounts() } = options;
    this.url = root;
    this.#roots = options.roots ?? ANYWHERE;
    this.#counts = counts;
    this.#sleep = sleep;
    this.#fs = fs;
    this.#fileSizes = fs === REAL_FILE_SYSTEM ? new FileSizes() : null;
  }

  async list(folder: string, options: ListOptions = {}): Promise<FolderListing> {
    const { accept, skipped, signal } = options;
    const entries = await this.#call(folder, signal, async () => {
      await this.#permit(folder);
      return this.#entries(folder);
    });
    const folders: string[] = [];
    const names: string[] = [];
    const links: string[] = [];
    for (const { name, kind } of entries) {
      if (kind === 'folder') folders.push(name);
      else if (kind === 'link') links.push(name);
      else if (accept === undefined || accept(name)) {
        if (kind === 'file') names.push(name);
        else skipped?.(joinPath(folder, name), 'it is not a regular file');
      }
    }
    for (const name of links) {
      const path = joinPath(folder, name);
      const target = await this.#statOrNull(path, signal);
      if (target !== null && !(await this.#mayRead(path))) skipped?.(path, LEADS_OUT);
      else if (target?.isDirectory()) {
        if (await this.#leadsBack(folder, path, signal))
          skipped?.(path, 'the link leads back to a folder above it');
        else folders.push(name);
      } else if (accept === undefined || accept(name)) {
        if (target?.isFile()) names.push(name);
        else skipped?.(path, target ? 'it is not a regular file' : 'the link leads nowhere');
      }
    }
    return { folders, ...(await this.#withSizes(folder, names, options)) };
  }

  async stat(path: string, signal?: AbortSignal): Promise<FileStat> {
    const { size } = await this.#call(path, signal, async () => {
      await this.#permit(path);
      return this.#fs.stat(this.#absolute(path));
    });
    return { size };
  }

  async read(
    path: string,
    { offset = 0, length, inside = false, signal }: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call(path, signal, async () => {
      const place = inside ? await this.#inside(path) : this.#absolute(path);
      const file = await this.#fs.open(place, OPEN_FLAGS);
      try {
        if (!(await this.#roots.allowsOpen(file.fd, place)))
          throw new StorageError('denied', path, LEADS_OUT);
        const wanted = length ?? Math.max(0, (await file.stat()).size - offset);
        const bytes = new Uint8Array(new ArrayBuffer(wanted));
        // The end, or all that one call may give: of a file nothing else is given in part.
        let filled = 0;
        for (let asked = 0, got = 0; filled < wanted && got === asked; filled += got) {
          asked = Math.min(wanted - filled, MOST_AT_ONCE);
          got = (await file.read(bytes, filled, asked, offset + filled)).bytesRead;
          this.#counts.readBytes += got;
        }
        return bytes.subarray(0, filled);
      } finally {
        await file.close();
      }
    });
  }

  async close(): Promise<void> {
    await this.#fileSizes?.close();
  }

  async #entries(folder: string): Promise<{ name: string; kind: EntryKind }[]> {
    const entries = await this.#fs.readdir(this.#absolute(folder), { withFileTypes: true });
    if (!entries.some((entry) => entry.name.includes('\ufffd'))) {
      return entries.map((entry) => ({ name: entry.name, kind: entryKind(entry) }));
    }
    // A name that is not UTF-8 (or that really has a replacement character): only its bytes tell.
    const raw = await this.#fs.readdir(this.#absolute(folder), { withFileTypes: true, encoding: 'buffer' });
    return raw.map((entry) => ({ name: decodePath(entry.name), kind: entryKind(entry) }));
  }

  async #withSizes(
    folder: string,
    names: string[],
    options: ListOptions,
  ): Promise<{ names: string[]; sizes: Float64Array }> {
    const { skipped, found, signal } = options;
    const place = folder === '' ? this.url : `${this.url}/${folder}`;
    const sizes =
      (await this.#fileSizes?.find(place, names, options)) ?? new Float64Array(names.length).fill(UNKNOWN);
    const left = Uint32Array.from(sizes.keys()).filter((i) => sizes[i] === UNKNOWN);
    await inLanes(left.length, STAT_LANES, async (lane) => {
      const i = left[lane] as number;
      const stats = await this.#statOrNull(joinPath(folder, names[i] as string), signal);
      if (stats === null) return;
      sizes[i] = stats.size;
      found?.(1, stats.size);
    });
    if (!sizes.includes(UNKNOWN)) return { names, sizes };
    const present = names.filter((name, i) => {
      if (sizes[i] === UNKNOWN) skipped?.(joinPath(folder, name), 'it was removed while it was indexed');
      return sizes[i] !== UNKNOWN;
    });
    return { names: present, sizes: sizes.filter((size) => size !== UNKNOWN) };
  }

  async #statOrNull(path: string, signal: AbortSignal | undefined): Promise<Stats | null> {
    try {
      return await this.#call(path, signal, () => this.#fs.stat(this.#absolute(path)));
    } catch (error) {
      if (error instanceof StorageError && error.kind === 'not-found') return null;
      throw error;
    }
  }

  /** Whether a link to a folder leads to one of the folders that were passed on the way to it. */
  async #leadsBack(folder: string, link: string, signal: AbortSignal | undefined): Promise<boolean> {
    const resolve = (path: string) => this.#call(path, signal, () => this.#fs.realpath(this.#absolute(path)));
    const target = await resolve(link);
    for (let above = folder; ; above = above.slice(0, Math.max(0, above.lastIndexOf('/')))) {
      if ((await resolve(above)) === target) return true;
      if (above === '') return false;
    }
  }

  #absolute(path: string): string | Buffer {
    if (path === '') return this.url;
    return Buffer.concat([Buffer.from(`${this.url}/`, 'utf8'), safePath(path)]);
  }

  async #permit(path: string): Promise<void> {
    if (!(await this.#mayRead(path))) throw new StorageError('denied', path, LEADS_OUT);
  }

  async #mayRead(path: string): Promise<boolean> {
    if (this.#roots.isAnywhere) return true;
    return this.#roots.allowsReal(String(await this.#fs.realpath(this.#absolute(path))));
  }

  /** Where a file really is. @throws StorageError `outside` */
  async #inside(path: string): Promise<Buffer> {
    const [root, file] = await Promise.all([
      this.#fs.realpath(this.url, { encoding: 'buffer' }),
      this.#fs.realpath(this.#absolute(path), { encoding: 'buffer' }),
    ]);
    const folder = root.at(-1) === SLASH ? root : Buffer.concat([root, Buffer.of(SLASH)]);
    if (file.subarray(0, folder.length).equals(folder)) return file;
    throw new StorageError('outside', path, 'a link leads out of the dataset');
  }

  async #call<T>(path: string, signal: AbortSignal | undefined, operation: () => Promise<T>): Promise<T> {
    try {
      return await retrying(operation, (error) => TRANSIENT.has(codeOf(error)), {
        sleep: this.#sleep,
        signal,
      });
    } catch (error) {
      if (error instanceof StorageError || signal?.aborted) throw error;
      const code = codeOf(error);
      const reason = error instanceof Error ? error.message : String(error);
      throw new StorageError(kindOf(code), path, reason, { cause: error });
    }
  }
}

function kindOf(code: string): StorageErrorKind {
  if (MISSING.has(code)) return 'not-found';
  return DENIED.has(code) ? 'denied' : 'io';
}

type EntryKind = 'folder' | 'file' | 'link' | 'other';

function entryKind(entry: Pick<Dirent, 'isDirectory' | 'isFile' | 'isSymbolicLink'>): EntryKind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
