import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { newStorageCounts, type StorageCounts } from './counts.js';
import { FOOTER_BYTES, footerOf, totalOf } from './read-cache-format.js';

/** One read: the same key, the same bytes, for as long as the data is the data. */
export interface ReadKey {
  /** The storage's `cacheKey`. */
  readonly storage: string;
  readonly path: string;
  readonly version: string | undefined;
  readonly offset: number;
  /** Bytes asked for at most; undefined: to the end. */
  readonly length: number | undefined;
}

export interface ReadCacheOptions {
  /** A folder of its own; it may be shared with other processes that have the same limit. */
  readonly folder: string;
  /** What its files may take on the disk, in all. */
  readonly maxBytes: number;
  readonly counts?: StorageCounts;
  /** Told when the folder cannot be used, the first time alone. */
  readonly warn?: (reason: string) => void;
}

/** A read is kept in pieces of so many bytes, so that a large one does not crowd out a folder. */
const PIECE_BYTES = 1 << 20;
/** What file systems give room by. */
const BLOCK_BYTES = 4096;
/** A folder's share of the limit is of this size, up to twice of it: a scan of it is a matter of a millisecond. */
const SHARE_BYTES = 32 << 20;
const MOST_FOLDERS = 1 << 16;
/** Eviction leaves this part of a share free, so that not every write evicts. */
const SLACK = 1 / 8;
/** A file that is renamed while its folder is listed may be overlooked: this part of the limit is never used. */
const MARGIN = 1 / 16;
/** A file used within so long is not marked as used again. */
const TOUCH_MS = 60_000;
/** A file that is written for so long was left by a process that died. */
const STALE_MS = 600_000;

/** `<hash>-<blocks>`, and behind it, while it is written, `.<something unique>`. */
const NAME = /^[0-9a-f]{40}-([0-9a-z]+)(\..+)?$/;

/**
 * What was read from remote storages, on disk: exactly the bytes that were asked for, as they were asked for. Bytes are
 * checked whenever they are read, so that what a crash, a disk or another process did to a file costs a read, never a
 * sample. A folder that cannot be used costs reads, nothing else: no call rejects.
 *
 * The limit holds at every moment, whoever shares the folder. It is divided among sub-folders by hash; a file's name says
 * how much room it may take; and a writer first creates its file, then adds up the names it sees, its own among them, and
 * writes only if they are within the share, if need be after having removed those used least recently. Of two writers at
 * once at least the later one sees the other.
 */
export class ReadCache {
  readonly #options: ReadCacheOptions;
  readonly #counts: StorageCounts;
  readonly #root: string;
  readonly #folders: number;
  readonly #shareBytes: number;
  #begun: Promise<void> | undefined;
  #warned = false;

  constructor(options: ReadCacheOptions) {
    this.#options = options;
    this.#counts = options.counts ?? newStorageCounts();
    const doublings = Math.floor(Math.log2(Math.max(1, options.maxBytes / SHARE_BYTES)));
    this.#folders = Math.min(MOST_FOLDERS, 2 ** doublings);
    this.#shareBytes = Math.floor((options.maxBytes * (1 - MARGIN)) / this.#folders);
    this.#root = join(options.folder, String(this.#folders));
  }

  /** The bytes of a read, at the start of an ArrayBuffer of their own; null where they are not all there. */
  async get(key: ReadKey): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.#find(key);
    if (bytes === null) this.#counts.cacheMisses++;
    else {
      this.#counts.cacheHits++;
      this.#counts.cacheHitBytes += bytes.length;
    }
    return bytes;
  }

  /** Keeps what a read brought. */
  async put(key: ReadKey, bytes: Uint8Array): Promise<void> {
    try {
      this.#begun ??= this.#begin();
      await this.#begun;
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        if (await this.#write(placeOf(key, at), piece, bytes.length)) {
          this.#counts.cacheWrittenBytes += piece.length;
        }
      }
    } catch (error) {
      this.#warn(error);
    }
  }

  async #find(key: ReadKey): Promise<Uint8Array<ArrayBuffer> | null> {
    const first = await this.#read(placeOf(key, 0));
    if (first === null || first.total === first.bytes.length) return first?.bytes ?? null;
    const { total } = first;
    const whole = new Uint8Array(new ArrayBuffer(total));
    whole.set(first.bytes);
    for (let at = PIECE_BYTES; at < total; at += PIECE_BYTES) {
      const piece = await this.#read(placeOf(key, at));
      if (piece?.total !== total || piece.bytes.length !== Math.min(PIECE_BYTES, total - at)) return null;
      whole.set(piece.bytes, at);
    }
    return whole;
  }

  /** A piece, and how many bytes its read had in all; null where it is not there, or not what it was. */
  async #read(place: Place): Promise<{ bytes: Uint8Array<ArrayBuffer>; total: number } | null> {
    const path = join(this.#folderOf(place), nameOf(place));
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.#warn(error);
      return null;
    }
    try {
      const { size, mtimeMs } = await file.stat();
      const content = size <= PIECE_BYTES + FOOTER_BYTES ? await readAll(file, size) : new Uint8Array(0);
      const total = totalOf(content, place.hash);
      if (total === null) {
        this.#counts.cacheDamaged++;
        await unlink(path);
        return null;
      }
      const now = new Date();
      if (now.getTime() - mtimeMs > TOUCH_MS) await file.utimes(now, now);
      return { bytes: content.subarray(0, size - FOOTER_BYTES), total };
    } catch (error) {
      this.#warn(error);
      return null;
    } finally {
      await file.close();
    }
  }

  /** Whether it was kept. */
  async #write(place: Place, piece: Uint8Array, total: number): Promise<boolean> {
    if (place.blocks * BLOCK_BYTES > this.#shareBytes) return false;
    const folder = this.#folderOf(place);
    const name = nameOf(place);
    const temporary = join(folder, `${name}.${randomUUID()}`);
    const file = await createIn(folder, temporary);
    try {
      if (await this.#makeRoom(folder)) {
        await file.writeFile(Buffer.concat([piece, footerOf(piece, place.hash, total)]));
        await rename(temporary, join(folder, name));
        return true;
      }
      await unlink(temporary);
      return false;
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    } finally {
      await file.close();
    }
  }

  /** Brings a folder's files under its share, whole or being written; whether that was possible. */
  async #makeRoom(folder: string): Promise<boolean> {
    const names = await readdir(folder);
    let used = names.reduce((sum, name) => sum + bytesOf(name), 0);
    if (used <= this.#shareBytes) return true;
    const files: { path: string; bytes: number; usedAt: number; unfinished: boolean }[] = [];
    for (const name of names) {
      const path = join(folder, name);
      const unfinished = name.includes('.');
      const found = await stat(path).catch(() => null);
      if (found !== null) files.push({ path, bytes: bytesOf(name), usedAt: found.mtimeMs, unfinished });
      // Evicted by another process meanwhile. One that was being written may as well have got its own name.
      else if (!unfinished) used -= bytesOf(name);
    }
    files.sort((a, b) => a.usedAt - b.usedAt);
    for (const { path, bytes, usedAt, unfinished } of files) {
      if (used <= this.#shareBytes * (1 - SLACK)) break;
      if (unfinished && Date.now() - usedAt < STALE_MS) continue;
      await unlink(path).catch(() => {});
      used -= bytes;
      this.#counts.cacheEvictions++;
    }
    return used <= this.#shareBytes;
  }

  /** Lets go of what was kept under a limit with other sub-folders. A long look at those of this one follows by itself. */
  async #begin(): Promise<void> {
    const { folder } = this.#options;
    await mkdir(this.#root, { recursive: true });
    for (const name of await readdir(folder)) {
      if (!/^\d+$/.test(name) || name === String(this.#folders)) continue;
      await rm(join(folder, name), { recursive: true, force: true }).catch((error) => this.#warn(error));
    }
    void this.#sweep().catch((error) => this.#warn(error));
  }

  /** Brings the sub-folders to their share, which may have been another one, and removes what dead processes left. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#root)) {
      const folder = join(this.#root, name);
      for (const left of (await readdir(folder)).filter((each) => each.includes('.'))) {
        const found = await stat(join(folder, left)).catch(() => null);
        if (found && Date.now() - found.mtimeMs > STALE_MS) await unlink(join(folder, left)).catch(() => {});
      }
      await this.#makeRoom(folder);
    }
  }

  #folderOf({ hash }: Place): string {
    const index = hash.readUInt32BE(28) % this.#folders;
    return join(this.#root, index.toString(16).padStart(4, '0'));
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn?.(error instanceof Error ? error.message : String(error));
  }
}

/** Where a piece of a read is kept. */
interface Place {
  /** Of the read's key and the piece's number, SHA-256. */
  readonly hash: Buffer;
  /** The most that its file takes. */
  readonly blocks: number;
}

function placeOf({ storage, path, version, offset, length }: ReadKey, at: number): Place {
  const key = JSON.stringify([storage, path, version ?? null, offset, length ?? null, at]);
  const asked = Math.min(PIECE_BYTES, (length ?? Number.POSITIVE_INFINITY) - at);
  return {
    hash: createHash('sha256').update(key).digest(),
    blocks: Math.ceil((asked + FOOTER_BYTES) / BLOCK_BYTES),
  };
}

function nameOf({ hash, blocks }: Place): string {
  return `${hash.toString('hex', 0, 20)}-${blocks.toString(36)}`;
}

/** The room that a file may take, by its name. */
function bytesOf(name: string): number {
  const blocks = NAME.exec(name)?.[1];
  return blocks === undefined ? 0 : Number.parseInt(blocks, 36) * BLOCK_BYTES;
}

async function createIn(folder: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return open(path, 'wx');
  }
}

async function readAll(file: FileHandle, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const content = new Uint8Array(new ArrayBuffer(size));
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(content, at, size - at, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return content;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
