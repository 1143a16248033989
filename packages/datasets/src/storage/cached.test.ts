import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { folderOf, temporaryFolder } from '../../test-support/folders.js';
import { indexDataset, LocalStorage, newStorageCounts, ReadCache, SOURCES } from '../index.js';
import { FileManifest } from '../manifests/file-manifest.js';
import { cached } from './cached.js';
import type { ReadOptions, Storage } from './storage.js';

/** A folder that passes for a store: it can be cached, and counts what it is asked for. */
class Store extends LocalStorage {
  readonly cacheKey = 'store';
  reads = 0;

  override read(path: string, options?: ReadOptions) {
    this.reads++;
    return super.read(path, options);
  }
}

async function cacheHere() {
  const counts = newStorageCounts();
  return { cache: new ReadCache({ folder: await temporaryFolder(), maxBytes: 64 << 20, counts }), counts };
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('cached', () => {
  it('asks a store once for each range', async () => {
    const store = new Store(await folderOf(['a', 'dir/b']));
    const { cache, counts } = await cacheHere();
    const storage = cached(store, cache);
    for (let i = 0; i < 3; i++) {
      expect(text(await storage.read('dir/b'))).toBe('dir/b');
      expect(text(await storage.read('dir/b', { offset: 1, length: 3 }))).toBe('ir/');
      expect(text(await storage.read('a', { length: 0 }))).toBe('');
    }
    expect(store.reads).toBe(5);
    expect(counts).toMatchObject({ cacheHits: 4, cacheWrittenBytes: 8 });
    expect((await storage.list('')).names).toEqual(['a']);
    expect(await storage.stat('a')).toEqual({ size: 1 });
  });

  it('leaves local files alone', async () => {
    const local: Storage = new LocalStorage('/');
    expect(cached(local, (await cacheHere()).cache)).toBe(local);
  });

  it('keeps no failure, and stops when it is aborted', async () => {
    const store = new Store(await folderOf(['a']));
    const storage = cached(store, (await cacheHere()).cache);
    await expect(storage.read('b')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(storage.read('b')).rejects.toMatchObject({ kind: 'not-found' });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(storage.read('a', { signal })).rejects.toThrow('enough');
  });

  it('is passed by before a file is said to have changed: it may be as it was again', async () => {
    const url = await folderOf(['c/a.jpg', 'c/b.jpg']);
    const { manifest } = await indexDataset({ source: 'image-folder', labels: 'folders', url });
    const source = SOURCES['image-folder']!;
    if (source.kind !== 'files' || !(manifest instanceof FileManifest))
      throw new TypeError('no source of files');
    const reader = source.open(manifest, cached(new Store(url), (await cacheHere()).cache));
    await writeFile(`${url}/c/a.jpg`, 'longer than before');
    await expect(reader.read(0)).rejects.toMatchObject({ code: 'DATASET_CHANGED' });
    await writeFile(`${url}/c/a.jpg`, 'c/a.jpg');
    for (let i = 0; i < 2; i++) expect(text((await reader.read(0)).encoded!)).toBe('c/a.jpg');
  });
});
