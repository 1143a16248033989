import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  datasetSchema,
  indexDataset,
  openDataset,
  openStorage,
  ReadCache,
  type SampleReader,
  shardFormat,
} from '@cropstream/datasets';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeImages, temporaryFolder } from '../integration/harness.js';
import { filesOf, put, remove } from '../s3-objects.js';
import { type S3Server, startMoto, startSeaweed } from '../s3-servers.mjs';

const python = process.env.CROPSTREAM_DATA_PYTHON ?? '';
const folder = temporaryFolder();
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

afterAll(() => folder.remove());

const SERVERS: [string, () => Promise<S3Server>][] = [
  ["moto's server", () => startMoto(python)],
  ['SeaweedFS', () => startSeaweed(python, join(folder.path, 'seaweed'))],
];

describe.each(SERVERS)('a bucket of %s', (_, startServer) => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startServer();
    await put(server, 'bucket', {
      'root/c0/a.jpg': 'a, the first',
      'root/c0/name with +#%&? in it.jpg': 'odd',
      'root/c0/ü😀.jpg': 'utf-8',
      'root/c1/deep/b.jpg': 'b',
      'root/c1/notes.txt': 'text',
      'root/empty': '',
      'root-beside/x': 'x',
      'root/changing': 'before',
      'root/going': 'here',
      'away/': '',
      secret: 'secret',
    });
  });

  afterAll(() => server?.kill());

  beforeEach(() => {
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
    return () => vi.unstubAllEnvs();
  });

  const open = (url = 's3://bucket/root') => openStorage(url, { retryMs: 1_000 });

  it('is listed folder by folder', async () => {
    const listing = await open('s3://bucket/root/').list('');
    expect(listing.folders.sort()).toEqual(['c0', 'c1']);
    expect(listing.names.sort()).toEqual(['changing', 'empty', 'going']);
    const found: number[][] = [];
    const { names, sizes } = await open().list('c0', {
      accept: (name) => name.endsWith('.jpg'),
      found: (...count) => found.push(count),
    });
    expect(Object.fromEntries(names.map((name, i) => [name, sizes[i]]))).toEqual({
      'a.jpg': 12,
      'name with +#%&? in it.jpg': 3,
      'ü😀.jpg': 5,
    });
    expect(found).toEqual([[3, 20]]);
    expect((await open('s3://bucket').list('')).names).toEqual(['secret']);
  });

  it('is listed to its end where a folder has more objects than one answer', async () => {
    const objects = Array.from({ length: 1_005 }, (_, i) => [`many/${i}.jpg`, `${i}`] as const);
    await put(server, 'bucket', Object.fromEntries(objects));
    const { names, sizes } = await open('s3://bucket/many').list('');
    expect(new Set(names).size).toBe(1_005);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(10 + 90 * 2 + 900 * 3 + 5 * 4);
  });

  it('is read whole, in part, and up to its end', async () => {
    const storage = open();
    const read = async (options?: object) => text(await storage.read('c0/a.jpg', options));
    expect(await read()).toBe('a, the first');
    expect(await read({ offset: 3 })).toBe('the first');
    expect(await read({ offset: 3, length: 3 })).toBe('the');
    expect(await read({ length: 13 })).toBe('a, the first');
    expect(await read({ offset: 12, length: 1 })).toBe('');
    expect(await read({ length: 0 })).toBe('');
    expect(text(await storage.read('empty'))).toBe('');
    expect(text(await storage.read('empty', { length: 1 }))).toBe('');
    expect(text(await storage.read('c0/name with +#%&? in it.jpg'))).toBe('odd');
    expect(text(await storage.read('c0/ü😀.jpg'))).toBe('utf-8');
    const { buffer, byteOffset } = await storage.read('c0/a.jpg');
    expect([buffer.byteLength, byteOffset]).toEqual([12, 0]);
  });

  it('says what is missing: an object, a prefix, the bucket', async () => {
    const missing = { kind: 'not-found' };
    await expect(open().read('c0/none.jpg')).rejects.toMatchObject(missing);
    await expect(open().stat('c0/none.jpg')).rejects.toMatchObject(missing);
    await expect(open('s3://bucket/nothing').list('')).rejects.toMatchObject(missing);
    await expect(open('s3://bucket/nothing').stat('')).rejects.toMatchObject(missing);
    const reason = 'there is no bucket "nowhere"';
    await expect(open('s3://nowhere/x').list('')).rejects.toMatchObject({ ...missing, reason });
    await expect(open('s3://nowhere/x').read('y')).rejects.toMatchObject({ ...missing, reason });
    const dataset = { source: 'image-folder' as const, labels: 'folders' as const, url: 's3://nowhere/x' };
    await expect(indexDataset(dataset)).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      details: { url: dataset.url, reason },
    });
  });

  it.each(['../secret', 'c0/../../secret', '/secret', 'c0//a.jpg', './going', 'a\0'])(
    'is never left by the path %j',
    async (path) => {
      await expect(open().read(path)).rejects.toMatchObject({ kind: 'outside' });
      await expect(open().stat(path)).rejects.toMatchObject({ kind: 'outside' });
    },
  );

  it('tells when an object was replaced', async () => {
    const storage = open();
    const { size, version } = await storage.stat('changing');
    expect(size).toBe(6);
    expect(text(await storage.read('changing', { version }))).toBe('before');
    await put(server, 'bucket', { 'root/changing': 'behind' });
    await expect(storage.read('changing', { version })).rejects.toMatchObject({
      kind: 'changed',
      reason: `was replaced: it no longer has the ETag ${version}`,
    });
    expect(text(await storage.read('changing'))).toBe('behind');
  });

  it('gives an image folder the manifest and bytes that a local one has', async () => {
    const images = join(folder.path, 'images');
    await makeImages(images, 12);
    const local = await indexDataset({ source: 'image-folder', labels: 'folders', url: images });
    await put(server, 'images', filesOf(images, 't/'));
    const remote = { source: 'image-folder' as const, labels: 'folders' as const, url: 's3://images/t' };
    const { manifest } = await indexDataset(remote);
    expect(manifest.digest).toBe(local.manifest.digest);
    const readers = [openDataset(images, local.manifest), openDataset(remote.url, manifest)] as const;
    for (let id = 0; id < manifest.length; id++) {
      const [here, there] = await Promise.all(readers.map((reader) => reader.read(id)));
      expect(there).toEqual(here);
    }
    expect(Buffer.from((await readers[1].head(0, 3))!).toString('hex')).toBe('ffd8ff');
    const [path, other] = [manifest.pathOf(0), manifest.pathOf(1)];
    await put(server, 'images', { [`t/${path}`]: 'another image' });
    await remove(server, 'images', `t/${other}`);
    await expect(readers[1].read(0)).rejects.toMatchObject({ code: 'DATASET_CHANGED', details: { path } });
    await expect(readers[1].read(1)).rejects.toMatchObject({
      code: 'DATASET_CHANGED',
      details: { path: other, change: 'is missing' },
    });
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it('gives CIFAR the records that a local folder has, under the folder or above it', async () => {
    const record = Uint8Array.from({ length: 3073 }, (_, i) => (i === 0 ? 3 : i & 255));
    const files = join(folder.path, 'cifar', 'cifar-10-batches-bin');
    mkdirSync(files, { recursive: true });
    writeFileSync(join(files, 'test_batch.bin'), Buffer.concat([record, record]));
    await put(server, 'cifar', { 'cifar-10-batches-bin/test_batch.bin': Buffer.concat([record, record]) });
    const config = { source: 'cifar10' as const, split: 'test' as const };
    const local = await indexDataset({ ...config, url: join(folder.path, 'cifar') });
    const expected = await openDataset(join(folder.path, 'cifar'), local.manifest).read(1);
    for (const url of ['s3://cifar', 's3://cifar/cifar-10-batches-bin']) {
      const { manifest } = await indexDataset({ ...config, url });
      expect(manifest.digest).toBe(local.manifest.digest);
      expect(await openDataset(url, manifest).read(1)).toEqual(expected);
    }
    await put(server, 'cifar', { 'ids.txt': '1' });
    const subset = await indexDataset({ ...config, url: 's3://cifar', subset: 's3://cifar/ids.txt' });
    expect(subset.manifest.length).toBe(1);
    await expect(
      indexDataset({ ...config, url: 's3://cifar', subset: 's3://cifar/none.txt' }),
    ).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
  });

  it.each(['webdataset', 'litdata'] as const)(
    'holds %s shards to the version that they were opened in, also where the cache has others',
    async (source) => {
      const format = shardFormat(source);
      const options = { classes: [], fields: { path: 'string' }, compression: 'none' } as const;
      const samplesOf = (content: string) =>
        ['0', '1', '2'].map((key) => ({
          key,
          encoded: Buffer.from(`\xff\xd8\xff ${content} ${key}`, 'latin1'),
          extension: 'jpg',
          label: Number(key),
          fields: { path: key },
        }));
      const name = format.shardName(0, 1, options);
      const [before, behind] = await Promise.all(
        ['before', 'behind'].map((content) => format.encode(samplesOf(content), options)),
      );
      const index = format.index([{ name, samples: 3, bytes: before!.length }], options);
      const files = Object.fromEntries(index.map((file) => [`${source}/${file.name}`, file.bytes]));
      await put(server, 'shards', { ...files, [`${source}/${name}`]: before! });
      const url = `s3://shards/${source}`;
      const { manifest } = await indexDataset(datasetSchema.parse({ source, url }));
      const cache = new ReadCache({ folder: join(folder.path, `cache-${source}`), maxBytes: 64 << 20 });
      const content = async (reader: SampleReader, id: number) =>
        text((await reader.read(id)).encoded!).slice(4);
      const reader = openDataset(url, manifest, { storage: { cache } });
      expect(await content(reader, 0)).toContain('before 0');
      await put(server, 'shards', { [`${source}/${name}`]: behind! });
      expect(await content(reader, 0)).toContain('before 0');
      await expect(reader.read(1)).rejects.toMatchObject({
        code: 'DATASET_CHANGED',
        details: { change: expect.stringContaining('was replaced: it no longer has the ETag') },
      });
      await reader.close();
      const opened = openDataset(url, manifest, { storage: { cache } });
      expect(await content(opened, 0)).toContain('behind 0');
      await opened.close();
    },
  );

  it('is left alone by a caller that aborts', async () => {
    await expect(open().read('c0/a.jpg', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });

  it('is read by gs://, with the keys that are meant for it', async () => {
    vi.stubEnv('GS_ENDPOINT_URL', server.endpoint);
    vi.stubEnv('GS_ACCESS_KEY_ID', server.env.AWS_ACCESS_KEY_ID);
    vi.stubEnv('GS_SECRET_ACCESS_KEY', server.env.AWS_SECRET_ACCESS_KEY);
    for (const name of Object.keys(server.env)) vi.stubEnv(name, undefined);
    const storage = open('gs://bucket/root');
    expect((await storage.list('c0')).names).toContain('a.jpg');
    expect(text(await storage.read('c0/a.jpg', { offset: 3, length: 3 }))).toBe('the');
  });
});

describe('a server that checks credentials and may be away', () => {
  let server: S3Server;
  const dataset = { source: 'image-folder' as const, labels: 'none' as const, url: 's3://bucket/root' };

  beforeAll(async () => {
    server = await startSeaweed(python, join(folder.path, 'checking'));
    await put(server, 'bucket', { 'root/a.jpg': 'a', 'root/b.jpg': 'b' });
  });

  afterAll(() => server?.kill());

  beforeEach(() => {
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
    return () => vi.unstubAllEnvs();
  });

  it.each([
    ['unknown', { AWS_ACCESS_KEY_ID: 'nobody' }, /InvalidAccessKeyId/],
    ['wrong', { AWS_SECRET_ACCESS_KEY: 'guessed' }, /SignatureDoesNotMatch/],
    [
      'missing',
      {
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
        AWS_CONFIG_FILE: '/nonexistent',
        AWS_EC2_METADATA_DISABLED: 'true',
      },
      /credentials/,
    ],
  ])('refuses %s credentials, when a dataset is indexed and when it is read', async (_, env, reason) => {
    const { manifest } = await indexDataset(dataset);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const details = { reason: expect.stringMatching(reason) };
    await expect(indexDataset(dataset)).rejects.toMatchObject({
      code: 'DATASET_DENIED',
      details: { ...details, path: dataset.url },
    });
    const reader = openDataset(dataset.url, manifest);
    await expect(reader.read(0)).rejects.toMatchObject({
      code: 'DATASET_DENIED',
      details: { ...details, path: 'a.jpg' },
    });
  });

  it('is waited for while it is away, and given up after the budget', async () => {
    await server.kill();
    const storage = openStorage(dataset.url, { retryMs: 300 });
    await expect(storage.read('a.jpg')).rejects.toMatchObject({
      kind: 'io',
      reason: expect.stringMatching(/ECONNREFUSED.*\(tried \d+ times in [\d.]+ s\)/),
    });
    await expect(indexDataset(dataset)).rejects.toMatchObject({
      code: 'DATASET_UNAVAILABLE',
      details: { url: dataset.url, reason: expect.stringContaining('ECONNREFUSED') },
    });
    const patient = openStorage(dataset.url, { retryMs: 60_000 });
    const reads = [patient.read('a.jpg'), patient.read('b.jpg'), patient.stat('a.jpg'), patient.list('')];
    await server.start();
    expect((await Promise.all(reads)).map((each) => ('buffer' in each ? text(each) : null))).toEqual([
      'a',
      'b',
      null,
      null,
    ]);
  });
});
