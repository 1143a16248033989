import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { indexDataset } from '../dataset.js';
import { openStorage } from './open.js';
import { ANYWHERE, Roots } from './roots.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cropstream-roots-')));
const at = (...names: string[]) => join(folder, ...names);
for (const name of ['ours', 'theirs', 'ours-too']) {
  mkdirSync(at(name, 'cats'), { recursive: true });
  writeFileSync(at(name, 'cats', '1.jpg'), name);
  writeFileSync(at(name, 'ids.txt'), '0');
}
symlinkSync(at('theirs', 'cats', '1.jpg'), at('ours', 'cats', '2.jpg'));
symlinkSync(at('theirs', 'cats'), at('ours', 'dogs'));
symlinkSync(at('theirs'), at('ours', 'elsewhere'));
symlinkSync(at('ours', 'cats', '1.jpg'), at('ours', 'cats', '3.jpg'));
symlinkSync(at('ours'), at('mounted'));
afterAll(() => rmSync(folder, { recursive: true }));

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const ours = new Roots([[at('ours')]]);
const dataset = (url: string, more: object = {}) => ({
  ...{ source: 'image-folder' as const, labels: 'folders' as const, url },
  ...more,
});
const index = (url: string, roots: Roots, more: object = {}) => indexDataset(dataset(url, more), { roots });

describe('roots', () => {
  it.each([
    ['s3://bucket/train', 's3://bucket/train', true],
    ['s3://bucket/train', 's3://bucket/train/a', true],
    ['s3://bucket/train/', 's3://bucket//train/a', true],
    ['s3://bucket/train', 's3://bucket/training', false],
    ['s3://bucket/train', 's3://bucket/train/../other', false],
    ['s3://bucket/train', 's3://bucket', false],
    ['s3://bucket', 's3://bucket-2/x', false],
    ['s3://', 's3://any/x', true],
    ['s3://', 'gs://any/x', false],
    ['gs://bucket', 'gs://bucket/x', true],
    ['https://host/data', 'https://host/data/a', true],
    ['https://host/data', 'https://HOST:443/data/a', true],
    ['https://host/data', 'https://host:8443/data/a', false],
    ['https://host/data', 'http://host/data/a', false],
    ['https://host/data', 'https://host/data/../other', false],
    ['https://host/data', 'https://host/data/%2e%2e/other', false],
    ['https://host/data', 'https://host/data/..%2fother', false],
    ['https://host', 'https://host.evil.org/', false],
    ['https://host', 'https://host@evil.org/', false],
    ['https://host', 'https://me:secret@host/', false],
    ['https://', 'https://any/x', true],
    ['/data', '/data/train', true],
    ['/data/', '/data', true],
    ['/data', '/database', false],
    ['/data', '/data/../etc', false],
    ['/data', 'file:///data/train', true],
    ['/data', 'file:///data/%2e%2e/etc', false],
    ['file:///data', '/data/train', true],
    ['/', '/etc', true],
    ['/data', 's3://data', false],
    ['/data', 'ftp://data', false],
  ])('of %s allow %s: %s', (root, url, expected) => {
    expect(new Roots([[root]]).allows(url)).toBe(expected);
  });

  it('have levels, each of which must allow it; without one all is, with an empty one nothing', () => {
    const both = new Roots([['/data/a', 's3://b'], ['/data']]);
    expect([both.allows('/data/a/x'), both.allows('/data/b'), both.allows('s3://b/x')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(ANYWHERE.allows('/etc')).toBe(true);
    expect(new Roots([[]]).allows('/data')).toBe(false);
  });
});

describe('a dataset', () => {
  const forbidden = (field: string) => ({ code: 'URL_FORBIDDEN', details: { field } });

  it('lies within the roots, as it is written and where its links lead', async () => {
    expect((await index(at('ours-too'), ANYWHERE)).manifest.length).toBe(1);
    await expect(index(at('ours-too'), ours)).rejects.toMatchObject(forbidden('dataset.url'));
    await expect(index(at('ours', '..', 'theirs'), ours)).rejects.toMatchObject(forbidden('dataset.url'));
    await expect(index(at('ours', 'elsewhere'), ours)).rejects.toMatchObject(forbidden('dataset.url'));
    // Whether it is there is not told.
    await expect(index(at('nowhere'), ours)).rejects.toMatchObject(forbidden('dataset.url'));
    // The root's own links are its operator's.
    expect((await index(at('mounted'), new Roots([[at('mounted')]]))).manifest.length).toBe(2);
  });

  it('has no samples that links bring in from elsewhere', async () => {
    const { manifest, notices } = await index(at('ours'), ours);
    const samples = Array.from({ length: manifest.length }, (_, i) => manifest.pathOf(i));
    expect(samples).toEqual(['cats/1.jpg', 'cats/3.jpg']);
    expect(notices.join('\n')).toContain('a link leads out of what may be read');
  });

  it('is not read through a link that came after it was indexed', async () => {
    const roots = ours;
    const storage = openStorage(at('ours'), { roots });
    expect(String(Buffer.from(await storage.read('cats/1.jpg')))).toBe('ours');
    for (const path of ['cats/2.jpg', 'dogs/1.jpg', 'elsewhere/ids.txt']) {
      await expect(storage.read(path)).rejects.toMatchObject({ kind: 'denied' });
      await expect(storage.stat(path)).rejects.toMatchObject({ kind: 'denied' });
    }
    await expect(storage.list('elsewhere')).rejects.toMatchObject({ kind: 'denied' });
  });

  it('takes no subset, and no part of a mix, from elsewhere', async () => {
    expect((await index(at('ours'), ours, { subset: at('ours', 'ids.txt') })).manifest.length).toBe(1);
    const subset = at('theirs', 'ids.txt');
    await expect(index(at('ours'), ours, { subset })).rejects.toMatchObject(forbidden('dataset.subset'));
    const linked = at('ours', 'elsewhere', 'ids.txt');
    await expect(index(at('ours'), ours, { subset: linked })).rejects.toMatchObject(
      forbidden('dataset.subset'),
    );
    const mix = { source: 'mix' as const, datasets: [dataset(at('ours')), dataset(at('theirs'))] };
    await expect(indexDataset(mix as never, { roots: ours })).rejects.toMatchObject(
      forbidden('dataset.datasets.1.url'),
    );
  });
});

describe('a web server', () => {
  it('redirects within the roots alone', async () => {
    const reached: string[] = [];
    const server = createServer(({ url = '' }, response) => {
      reached.push(url);
      const to = { '/data/moved': '/data/file', '/data/away': '/secret', '/data/round': '/data/round' }[url];
      if (to === undefined) response.end('bytes');
      else response.writeHead(302, { location: to }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const address = server.address();
    const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const storage = openStorage(`${origin}/data`, { roots: new Roots([[`${origin}/data`]]), retryMs: 0 });
    expect(String(Buffer.from(await storage.read('moved')))).toBe('bytes');
    await expect(storage.read('away')).rejects.toMatchObject({ kind: 'denied' });
    await expect(storage.read('round')).rejects.toMatchObject({ kind: 'io' });
    expect(reached).not.toContain('/secret');
  });
});
