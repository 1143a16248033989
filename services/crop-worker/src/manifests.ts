import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '@cropstream/broker';
import { checkManifest } from '@cropstream/datasets';
import type { Log } from './worker/events.js';

const PIECE_BYTES = 1 << 20;
/** A manifest ends with the digest of all that stands before it. */
const DIGEST_BYTES = 32;
/** What a process that died while it wrote has left. */
const STALE_MS = 3_600_000;
const SUFFIX = '.manifest';

export interface ManifestCacheOptions {
  readonly folder: string;
  /** What is kept at most; those used last are kept. */
  readonly maxBytes: number;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * Manifests in a folder, by their digest, so that a worker that starts again needs not fetch them. What is read is
 * checked against the digest; files appear whole; several processes may share the folder. A folder that cannot be
 * used costs fetches, nothing else.
 */
export class ManifestCache {
  readonly #options: ManifestCacheOptions;

  constructor(options: ManifestCacheOptions) {
    this.#options = options;
  }

  /** A manifest's bytes, in shared memory; null where it is not there, or is not what its name says. */
  async get(digest: string): Promise<Uint8Array | null> {
    const path = this.#pathOf(digest);
    try {
      const bytes = await readWhole(path, digest);
      if (bytes === null) {
        this.#options.log.warn({ path }, 'a cached manifest is damaged: fetching it again');
        await unlink(path);
        return null;
      }
      const now = new Date();
      await utimes(path, now, now);
      return bytes;
    } catch (err) {
      if (!isMissing(err))
        this.#options.log.warn({ reason: told(err), path }, 'a cached manifest cannot be read');
      return null;
    }
  }

  /** Keeps a manifest, and lets go of those used least recently. Never rejects. */
  async put(digest: string, bytes: Uint8Array): Promise<void> {
    const { folder, maxBytes, log } = this.#options;
    if (bytes.byteLength > maxBytes) return;
    const temporary = join(folder, `.${randomUUID()}`);
    try {
      await mkdir(folder, { recursive: true });
      try {
        const file = await open(temporary, 'wx');
        try {
          await file.writeFile(bytes);
        } finally {
          await file.close();
        }
        await rename(temporary, this.#pathOf(digest));
      } catch (error) {
        await unlink(temporary).catch(() => {});
        throw error;
      }
      await this.#evict();
    } catch (err) {
      log.warn({ reason: told(err), folder }, 'a manifest cannot be kept on disk');
    }
  }

  async #evict(): Promise<void> {
    const { folder, maxBytes } = this.#options;
    const files: { path: string; bytes: number; usedAt: number }[] = [];
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      // Another process may have let go of it meanwhile.
      const found = await stat(path).catch(() => null);
      if (found === null) continue;
      if (name.endsWith(SUFFIX)) files.push({ path, bytes: found.size, usedAt: found.mtimeMs });
      else if (Date.now() - found.mtimeMs > STALE_MS) await unlink(path).catch(() => {});
    }
    files.sort((a, b) => b.usedAt - a.usedAt);
    let kept = 0;
    for (const { path, bytes } of files) {
      kept += bytes;
      if (kept > maxBytes) await unlink(path).catch(() => {});
    }
  }

  #pathOf(digest: string): string {
    // It comes from a record: never a path to elsewhere.
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new TypeError(`${digest} is no SHA-256`);
    return join(this.#options.folder, digest + SUFFIX);
  }
}

/** The store, its manifests checked and through the cache; each is fetched once, whoever asks for it at a time. */
export function cacheManifests(store: Store, cache: ManifestCache): Store {
  const underWay = new Map<string, Promise<Uint8Array | null>>();
  async function find(digest: string): Promise<Uint8Array | null> {
    const cached = await cache.get(digest);
    if (cached !== null) return cached;
    const fetched = await store.manifest(digest);
    if (fetched === null) return null;
    await checkManifest(fetched, digest);
    await cache.put(digest, fetched);
    return fetched;
  }
  function manifest(digest: string, most?: number): Promise<Uint8Array | null> {
    if (most !== undefined) return store.manifest(digest, most);
    const known = underWay.get(digest) ?? find(digest).finally(() => underWay.delete(digest));
    underWay.set(digest, known);
    return known;
  }
  return new Proxy(store, {
    get(target, name: keyof Store) {
      return name === 'manifest' ? manifest : (target[name] as () => unknown).bind(target);
    },
  });
}

/** The file, hashed as it is read so that no event loop stands still; null where it is not what it should be. */
async function readWhole(path: string, digest: string): Promise<Uint8Array | null> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    const hash = createHash('sha256');
    const end = size - DIGEST_BYTES;
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(PIECE_BYTES, size - at), at);
      if (bytesRead === 0) return null;
      if (at < end) hash.update(bytes.subarray(at, Math.min(at + bytesRead, end)));
      at += bytesRead;
    }
    const stored = Buffer.from(bytes.subarray(Math.max(0, end))).toString('hex');
    return stored === digest && hash.digest('hex') === digest ? bytes : null;
  } finally {
    await file.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Errors of the file system are no defects: their text is all there is to say. */
function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
