import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderOf, temporaryFolder } from '../../test-support/folders.js';
import { LocalStorage, StorageError } from '../index.js';
import type { FileSystem } from './local.js';
import { RETRY_PAUSES } from './retry.js';

const errno = (code: string) => Object.assign(new Error(`${code}: made up`), { code });

/** A storage whose calls of one kind fail first, in a given way; `pauses` has what it waited between. */
function failing(root: string, call: keyof FileSystem, failures: Error[]) {
  const pauses: number[] = [];
  const left = failures.slice();
  const real: FileSystem = { ...nodeFs };
  const faulty = async (...args: never[]) => {
    const error = left.shift();
    if (error) throw error;
    return (real[call] as (...args: never[]) => unknown)(...args);
  };
  const fs: FileSystem = { ...real, [call]: faulty };
  const storage = new LocalStorage(root, { fs, sleep: async (ms) => void pauses.push(ms) });
  return { storage, pauses };
}

describe('LocalStorage.read', () => {
  it('reads a whole file, a part of one, and what is left at its end', async () => {
    const root = await temporaryFolder();
    await nodeFs.writeFile(join(root, 'file'), 'abcdefghij');
    const storage = new LocalStorage(root);
    const text = async (options?: object) => Buffer.from(await storage.read('file', options)).toString();
    expect(await text()).toBe('abcdefghij');
    expect(await text({ offset: 3 })).toBe('defghij');
    expect(await text({ offset: 3, length: 4 })).toBe('defg');
    expect(await text({ length: 11 })).toBe('abcdefghij');
    expect(await text({ offset: 8, length: 100 })).toBe('ij');
    expect(await text({ offset: 20, length: 5 })).toBe('');
  });

  it('gives each read an ArrayBuffer of its own', async () => {
    const storage = new LocalStorage(await folderOf(['a']));
    const reads = await Promise.all(
      [{}, { length: 1 }, { length: 100 }].map((options) => storage.read('a', options)),
    );
    expect(new Set(reads.map(({ buffer }) => buffer)).size).toBe(3);
    for (const bytes of reads) expect(bytes.byteOffset).toBe(0);
  });

  it.each(['EAGAIN', 'EIO', 'EMFILE', 'ESTALE'])(
    'tries again after %s, with growing pauses',
    async (code) => {
      const { storage, pauses } = failing(await folderOf(['a']), 'open', [
        errno(code),
        errno(code),
        errno(code),
      ]);
      expect(await storage.read('a')).toHaveLength(1);
      expect(pauses).toEqual(RETRY_PAUSES.slice(0, 3));
    },
  );

  it('gives up after the last pause, with the reason', async () => {
    const failures = Array.from({ length: 20 }, () => errno('EIO'));
    const { storage, pauses } = failing(await folderOf(['a']), 'open', failures);
    await expect(storage.read('a')).rejects.toMatchObject({ kind: 'io', path: 'a', reason: 'EIO: made up' });
    expect(pauses).toEqual(RETRY_PAUSES);
  });

  it('does not try again what cannot pass', async () => {
    const { storage, pauses } = failing(await folderOf(['a']), 'open', [errno('EACCES')]);
    await expect(storage.read('a')).rejects.toMatchObject({ kind: 'denied', reason: 'EACCES: made up' });
    await expect(storage.read('nothing')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(storage.read('a/below-a-file')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(storage.read('n'.repeat(5000))).rejects.toMatchObject({ kind: 'not-found' });
    expect(pauses).toEqual([]);
  });

  it('stops retrying when it is aborted', async () => {
    const aborter = new AbortController();
    const fs = { ...nodeFs, open: async () => Promise.reject(errno('EIO')) } as FileSystem;
    const sleep = async () => aborter.abort(new Error('enough'));
    const storage = new LocalStorage(await folderOf(['a']), { fs, sleep });
    await expect(storage.read('a', { signal: aborter.signal })).rejects.toThrow('enough');
  });

  it.each(['../secret', 'a/../../secret', '/etc/hostname', 'a//b', './a', 'a\0'])(
    'never leaves its root by the path %j',
    async (path) => {
      const outer = await folderOf(['secret', 'root/a/b']);
      const storage = new LocalStorage(join(outer, 'root'));
      await expect(storage.read(path)).rejects.toBeInstanceOf(StorageError);
      await expect(storage.stat(path)).rejects.toMatchObject({ kind: 'outside' });
      await expect(storage.list(path)).rejects.toMatchObject({ kind: 'outside' });
    },
  );

  it('follows links where it is asked to stay inside, but not out', async () => {
    const outer = await folderOf([
      'secret',
      'root/a/b',
      'root/to-b -> a/b',
      'root/up -> ../secret',
      'root/away -> ..',
      'root-beside/c',
      'root/beside -> ../root-beside',
      'linked-root -> root',
    ]);
    for (const root of ['root', 'linked-root']) {
      const storage = new LocalStorage(join(outer, root));
      for (const path of ['a/b', 'to-b']) {
        expect(Buffer.from(await storage.read(path, { inside: true })).toString()).toBe('root/a/b');
      }
      for (const path of ['up', 'away/secret', 'beside/c']) {
        await expect(storage.read(path, { inside: true })).rejects.toMatchObject({ kind: 'outside', path });
        await expect(storage.read(path)).resolves.toBeInstanceOf(Uint8Array);
      }
      await expect(storage.read('nothing', { inside: true })).rejects.toMatchObject({ kind: 'not-found' });
    }
  });

  it('does not wait for a FIFO under a sample name', async () => {
    const root = await temporaryFolder();
    execFileSync('mkfifo', [join(root, 'a.jpg')]);
    await expect(new LocalStorage(root).read('a.jpg', { length: 10 })).rejects.toMatchObject({ kind: 'io' });
  });
});

describe('LocalStorage.list', () => {
  it('tells folders from files, links followed, and skips what is neither', async () => {
    const root = await folderOf(['d/x', 'f', 'to-d -> d', 'to-f -> f', 'to-nothing -> nowhere']);
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const skipped: string[] = [];
    const listing = await new LocalStorage(root).list('', {
      skipped: (path, reason) => skipped.push(`${path}: ${reason}`),
    });
    expect(listing.folders.sort()).toEqual(['d', 'to-d']);
    expect(listing.names.sort()).toEqual(['f', 'to-f']);
    expect(skipped.sort()).toEqual(['fifo: it is not a regular file', 'to-nothing: the link leads nowhere']);
  });

  it('has sizes beside the names, of accepted files alone', async () => {
    const root = await folderOf(['a', 'bb', 'ccc', 'dddd']);
    const { names, sizes } = await new LocalStorage(root).list('', { accept: (name) => name !== 'bb' });
    expect(Object.fromEntries(names.map((name, i) => [name, sizes[i]]))).toEqual({ a: 1, ccc: 3, dddd: 4 });
  });

  it('leaves out a file that goes while it is listed', async () => {
    const { storage } = failing(await folderOf(['a', 'b', 'c']), 'stat', [errno('ENOENT')]);
    const skipped: string[] = [];
    const { names, sizes } = await storage.list('', { skipped: (path) => skipped.push(path) });
    expect(names).toHaveLength(2);
    expect(sizes).toHaveLength(2);
    expect([...names, ...skipped].sort()).toEqual(['a', 'b', 'c']);
  });

  it('fails as a whole when one file cannot be looked at', async () => {
    const { storage } = failing(await folderOf(['a', 'b', 'c']), 'stat', [errno('EACCES')]);
    await expect(storage.list('')).rejects.toMatchObject({ kind: 'denied' });
  });
});
