import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readdir, readFile, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { temporaryFolder } from '../../test-support/folders.js';
import { newStorageCounts, ReadCache } from '../index.js';
import type { ReadKey } from './read-cache.js';

const MIB = 1 << 20;
const keyOf = (path: string, changes: Partial<ReadKey> = {}): ReadKey => ({
  storage: 's3 bucket',
  path,
  version: undefined,
  offset: 0,
  length: 1000,
  ...changes,
});
const patterned = (length: number, seed = 1) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7) & 255);

function cacheIn(folder: string, maxBytes = 64 * MIB) {
  const counts = newStorageCounts();
  const warnings: string[] = [];
  return {
    cache: new ReadCache({ folder, maxBytes, counts, warn: (reason) => warnings.push(reason) }),
    counts,
    warnings,
  };
}

/** The files below a folder, with their sizes; those that go meanwhile are left out. */
async function filesIn(folder: string): Promise<{ path: string; size: number; room: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const found = await Promise.all(
    files.map((path) =>
      stat(path).then(
        ({ size, blocks }) => [{ path, size, room: blocks * 512 }],
        () => [],
      ),
    ),
  );
  return found.flat();
}

const total = (files: readonly { room: number }[]) => files.reduce((sum, { room }) => sum + room, 0);

describe('ReadCache', () => {
  it('has what was put, for that very read alone, and after a restart', async () => {
    const folder = await temporaryFolder();
    const { cache, counts, warnings } = cacheIn(folder);
    const bytes = patterned(999);
    expect(await cache.get(keyOf('a'))).toBe(null);
    await cache.put(keyOf('a'), bytes);
    const { cache: restarted } = cacheIn(folder);
    for (const each of [cache, restarted]) {
      const found = (await each.get(keyOf('a')))!;
      expect(found).toEqual(bytes);
      expect(found.byteOffset).toBe(0);
    }
    for (const other of [
      keyOf('b'),
      keyOf('a', { storage: 's3 other' }),
      keyOf('a', { version: '"1"' }),
      keyOf('a', { offset: 1 }),
      keyOf('a', { length: 999 }),
      keyOf('a', { length: undefined }),
    ]) {
      expect(await cache.get(other)).toBe(null);
    }
    expect(counts).toMatchObject({
      cacheHits: 1,
      cacheHitBytes: 999,
      cacheMisses: 7,
      cacheWrittenBytes: 999,
    });
    expect(warnings).toEqual([]);
  });

  it.each([1, MIB - 1, MIB, MIB + 1, 3 * MIB, 3.5 * MIB])('has reads of %d bytes', async (length) => {
    const { cache } = cacheIn(await temporaryFolder());
    const bytes = patterned(length);
    for (const asked of [length, length + 1, undefined]) {
      await cache.put(keyOf('a', { length: asked }), bytes);
      const found = await cache.get(keyOf('a', { length: asked }));
      expect(Buffer.compare(found!, bytes)).toBe(0);
    }
  });

  it('takes a file that was damaged for none, and removes it', async () => {
    const folder = await temporaryFolder();
    const { cache, counts } = cacheIn(folder);
    const bytes = patterned(500);
    const damages: ((path: string, content: Buffer) => Promise<void>)[] = [
      ...[0, 250, 499, 500, 510, 520, 551].map((at) => (path: string, content: Buffer) => {
        content[at]! ^= 1;
        return writeFile(path, content);
      }),
      (path) => truncate(path, 0),
      (path) => truncate(path, 551),
      (path) => truncate(path, 30),
      (path) => appendFile(path, 'x'),
      (path) => writeFile(path, patterned(2 * MIB)),
    ];
    for (const [i, damage] of damages.entries()) {
      await cache.put(keyOf('a'), bytes);
      const [file] = await filesIn(folder);
      await damage(file!.path, await readFile(file!.path));
      expect(await cache.get(keyOf('a'))).toBe(null);
      expect(await filesIn(folder)).toEqual([]);
      expect(counts.cacheDamaged).toBe(i + 1);
    }
  });

  it('does not take one read for another whose file has its name', async () => {
    const folder = await temporaryFolder();
    const { cache } = cacheIn(folder);
    await cache.put(keyOf('a'), patterned(500));
    const [a] = await filesIn(folder);
    await cache.put(keyOf('b'), patterned(500, 2));
    const b = (await filesIn(folder)).find(({ path }) => path !== a!.path);
    await writeFile(a!.path, await readFile(b!.path));
    expect(await cache.get(keyOf('a'))).toBe(null);
    expect(await cache.get(keyOf('b'))).toEqual(patterned(500, 2));
  });

  it('misses a large read of which a piece is gone', async () => {
    const folder = await temporaryFolder();
    const { cache } = cacheIn(folder);
    const key = keyOf('a', { length: 3 * MIB });
    const bytes = patterned(3 * MIB);
    await cache.put(key, bytes);
    for (const { path } of await filesIn(folder)) {
      await truncate(path, 100);
      expect(await cache.get(key)).toBe(null);
      await cache.put(key, bytes);
      expect(Buffer.compare((await cache.get(key))!, bytes)).toBe(0);
    }
  });

  it('stays within its limit, and lets go of what was used least recently', async () => {
    const folder = await temporaryFolder();
    const limit = 2 * MIB;
    const { cache, counts } = cacheIn(folder, limit);
    const bytes = patterned(50_000);
    const key = (path: string) => keyOf(path, { length: 50_001 });
    await cache.put(key('kept'), bytes);
    for (let i = 0; i < 200; i++) {
      for (const { path } of await filesIn(folder))
        await utimes(path, new Date(), new Date(Date.now() - 120_000));
      expect(await cache.get(key('kept'))).not.toBe(null);
      await cache.put(key(`${i}`), bytes);
      expect(total(await filesIn(folder))).toBeLessThanOrEqual(limit);
    }
    expect(total(await filesIn(folder))).toBeGreaterThan(limit / 2);
    expect(counts.cacheEvictions).toBeGreaterThan(150);
    expect(await cache.get(key('0'))).toBe(null);
    expect(await cache.get(key('199'))).not.toBe(null);
  });

  it('counts a file that gets its own name while it looks for room', async () => {
    const folder = await temporaryFolder();
    const { cache } = cacheIn(folder, MIB);
    await cache.put(keyOf('a'), patterned(999));
    const [a] = await filesIn(folder);
    // Listed, and not found afterwards: as what another process just renamed.
    const blocks = (MIB / 4096).toString(36);
    await symlink('nowhere', join(dirname(a!.path), `${'0'.repeat(40)}-${blocks}.renamed`));
    await cache.put(keyOf('b'), patterned(999));
    expect(await cache.get(keyOf('b'))).toBe(null);
  });

  it('does not keep what is larger than it may be', async () => {
    const folder = await temporaryFolder();
    const { cache } = cacheIn(folder, 100_000);
    await cache.put(keyOf('a', { length: 200_000 }), patterned(200_000));
    expect(await filesIn(folder)).toEqual([]);
  });

  it('is brought to another limit at the start, and is rid of what dead processes left', async () => {
    const folder = await temporaryFolder();
    const before = cacheIn(folder, 256 * MIB).cache;
    for (let i = 0; i < 6; i++) await before.put(keyOf(`${i}`, { length: MIB }), patterned(MIB));
    const [some] = await filesIn(folder);
    const left = `${some!.path}.left`;
    const fresh = `${some!.path}.fresh`;
    for (const path of [left, fresh]) await writeFile(path, 'x');
    await utimes(left, new Date(), new Date(Date.now() - 3_600_000));
    await cacheIn(folder, 256 * MIB).cache.put(keyOf('x'), patterned(10));
    const paths = async () => (await filesIn(folder)).map(({ path }) => path);
    await vi.waitFor(async () => expect(await paths()).not.toContain(left));
    expect(await paths()).toContain(fresh);
    await cacheIn(folder, 4 * MIB).cache.put(keyOf('x'), patterned(10));
    expect(total(await filesIn(folder))).toBeLessThanOrEqual(4 * MIB);
  });

  it('costs reads alone where its folder cannot be used', async () => {
    const folder = join(await temporaryFolder(), 'file');
    await writeFile(folder, '');
    const { cache, warnings } = cacheIn(folder);
    for (let i = 0; i < 3; i++) {
      await cache.put(keyOf('a'), patterned(10));
      expect(await cache.get(keyOf('a'))).toBe(null);
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/ENOTDIR|EEXIST/);
  });
});

describe('several processes on one folder', () => {
  const script = fileURLToPath(new URL('../../test-support/cache-user.mjs', import.meta.url));
  const LIMIT = 8 * MIB;

  async function startUser(folder: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, [script, folder, String(LIMIT), '2000'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(createInterface({ input: child.stdout }), 'line');
    return child;
  }

  /** What the files take while nobody writes: seen one by one, new ones would be added to those that went for them. */
  async function roomTaken(folder: string, users: readonly ChildProcess[]): Promise<number> {
    for (const user of users) user.kill('SIGSTOP');
    let before: number;
    let now = -1;
    do {
      before = now;
      now = total(await filesIn(folder));
    } while (now !== before);
    for (const user of users) user.kill('SIGCONT');
    return now;
  }

  /** Its counts, once it has ended in order. */
  async function endUser(child: ChildProcess) {
    const said = once(createInterface({ input: child.stdout! }), 'line');
    child.stdin!.end();
    return JSON.parse((await said)[0]);
  }

  it('read what was written, and stay within the limit at every moment', async () => {
    const folder = await temporaryFolder();
    const users = await Promise.all(Array.from({ length: 8 }, () => startUser(folder)));
    let most = 0;
    for (let look = 0; look < 60; look++) {
      const room = await roomTaken(folder, users);
      most = Math.max(most, room);
      expect(room).toBeLessThanOrEqual(LIMIT);
    }
    expect(most).toBeGreaterThan(LIMIT / 2);
    const counts = await Promise.all(users.map(endUser));
    for (const { cacheHits, cacheEvictions, cacheDamaged } of counts) {
      expect(cacheHits).toBeGreaterThan(0);
      expect(cacheEvictions).toBeGreaterThan(0);
      expect(cacheDamaged).toBe(0);
    }
  });

  it('lose nothing but reads when some are killed while they write', async () => {
    const folder = await temporaryFolder();
    const lasting = await startUser(folder);
    const unfinished = async () => (await filesIn(folder)).filter(({ path }) => /\..{36}$/.test(path));
    for (let kill = 0; kill < 12 || ((await unfinished()).length === 0 && kill < 100); kill++) {
      const victim = await startUser(folder);
      await new Promise((resolve) => setTimeout(resolve, 20 + 10 * kill));
      victim.kill('SIGKILL');
      await once(victim, 'exit');
      expect(await roomTaken(folder, [lasting])).toBeLessThanOrEqual(LIMIT);
    }
    expect((await endUser(lasting)).cacheHits).toBeGreaterThan(0);
    for (const { path } of await unfinished())
      await utimes(path, new Date(), new Date(Date.now() - 3_600_000));
    const { cache } = cacheIn(folder, LIMIT);
    await cache.put(keyOf('x'), patterned(10));
    await vi.waitFor(async () => expect(await unfinished()).toEqual([]), { timeout: 10_000 });
  });
});
