import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@cropstream/broker';
import { decodeManifest, FileManifestBuilder, type Manifest } from '@cropstream/datasets';
import { VirtualClock } from '@cropstream/runtime/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cacheManifests, ManifestCache } from './manifests.js';

let root: string;
let folder: string;
let warnings: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cropstream-manifests-'));
  folder = join(root, 'cache');
  warnings = [];
});
afterEach(() => rmSync(root, { recursive: true }));

const log = { warn: (_: object, message: string) => void warnings.push(message) };
const cacheOf = (maxBytes = 1 << 20) => new ManifestCache({ folder, maxBytes, log });

function manifestOf(samples: number): Manifest {
  const builder = new FileManifestBuilder({ source: 'image-folder', classes: ['all'], fields: [] });
  for (let id = 0; id < samples; id++) builder.add(Buffer.from(`${id}.jpg`), 1, 0);
  return builder.build();
}

/** A store that counts how often a manifest is fetched from it. */
async function counting(...manifests: Manifest[]) {
  const store = new MemoryStore({ clock: new VirtualClock() });
  for (const manifest of manifests) await store.putManifest(manifest.digest, manifest.encode());
  const fetched = { count: 0 };
  const seen = new Proxy(store, {
    get(target, name: keyof MemoryStore) {
      if (name === 'manifest') fetched.count++;
      return (target[name] as () => unknown).bind(target);
    },
  });
  return { store: seen, fetched };
}

it('fetches a manifest once, over starts and over all that ask at a time', async () => {
  const manifest = manifestOf(1_000);
  const { store, fetched } = await counting(manifest);
  const first = cacheManifests(store, cacheOf());
  await Promise.all([first.manifest(manifest.digest), first.manifest(manifest.digest)]);
  const bytes = await cacheManifests(store, cacheOf()).manifest(manifest.digest);
  expect(fetched.count).toBe(1);
  expect(decodeManifest(bytes as Uint8Array).digest).toBe(manifest.digest);
  expect(readdirSync(folder)).toEqual([`${manifest.digest}.manifest`]);
  expect(await first.runs()).toEqual([]);
});

it.each([
  ['changed', (bytes: Buffer) => bytes.fill(1, 100, 101)],
  ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 40)],
  ['empty', () => Buffer.alloc(0)],
  ["another manifest's", () => Buffer.from(manifestOf(7).encode())],
])('fetches again what is %s on disk', async (_, damage) => {
  const manifest = manifestOf(1_000);
  const { store, fetched } = await counting(manifest);
  await cacheManifests(store, cacheOf()).manifest(manifest.digest);
  const path = join(folder, `${manifest.digest}.manifest`);
  writeFileSync(path, damage(readFileSync(path)));
  const bytes = await cacheManifests(store, cacheOf()).manifest(manifest.digest);
  expect(decodeManifest(bytes as Uint8Array).digest).toBe(manifest.digest);
  expect(fetched.count).toBe(2);
  expect(warnings).toEqual(['a cached manifest is damaged: fetching it again']);
  expect(await cacheOf().get(manifest.digest)).not.toBeNull();
});

it('keeps those used last, and nothing that is larger than all it may keep', async () => {
  const manifests = [manifestOf(100), manifestOf(101), manifestOf(102), manifestOf(50_000)];
  const [a, b, c, large] = manifests as [Manifest, Manifest, Manifest, Manifest];
  const cache = cacheOf(2 * c.encode().length);
  for (const [at, manifest] of [a, b].entries()) {
    await cache.put(manifest.digest, manifest.encode());
    utimesSync(join(folder, `${manifest.digest}.manifest`), at + 1, at + 1);
  }
  await cache.get(a.digest);
  await cache.put(c.digest, c.encode());
  await cache.put(large.digest, large.encode());
  expect(readdirSync(folder).sort()).toEqual([a, c].map(({ digest }) => `${digest}.manifest`).sort());
});

it('goes on without a folder that cannot be used', async () => {
  writeFileSync(folder, 'a file');
  const manifest = manifestOf(10);
  const { store, fetched } = await counting(manifest);
  const cached = cacheManifests(store, cacheOf());
  expect(await cached.manifest(manifest.digest)).not.toBeNull();
  expect(await cached.manifest(manifest.digest)).not.toBeNull();
  expect(fetched.count).toBe(2);
  expect(warnings).toContain('a manifest cannot be kept on disk');
});

it('takes no name for a path', async () => {
  await expect(cacheOf().get('../../etc/passwd')).rejects.toThrow('no SHA-256');
});
