import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { filesBy, serve } from '../../test-support/web-server.js';
import { newStorageCounts, openStorage, type StorageNews } from '../index.js';

const FILES: Record<string, string> = {
  '/data/a.bin': 'abcdefghij',
  '/data/b%20%23%f0.bin': 'odd',
  '/moved/c': 'c',
};

/** A web server whose files were moved from /old/. */
const files: RequestListener = (request, response) => {
  if (request.url?.startsWith('/old/')) {
    return response.writeHead(302, { location: request.url.replace('/old/', '/moved/') }).end();
  }
  return filesBy(FILES)(request, response);
};

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('HttpStorage', () => {
  it('reads files whole and in part, by names of any bytes, where they have moved to', async () => {
    const counts = newStorageCounts();
    const storage = openStorage(`${await serve(files)}/data/`, { counts });
    const read = async (options?: object) => text(await storage.read('a.bin', options));
    expect(await read()).toBe('abcdefghij');
    expect(await read({ offset: 3 })).toBe('defghij');
    expect(await read({ offset: 3, length: 4 })).toBe('defg');
    expect(await read({ length: 11 })).toBe('abcdefghij');
    expect(await read({ offset: 10, length: 1 })).toBe('');
    expect(text(await storage.read('b #\udcf0.bin'))).toBe('odd');
    const moved = openStorage(`${await serve(files)}/old`);
    expect(text(await moved.read('c'))).toBe('c');
    expect(counts).toMatchObject({ requests: 6, retries: 0, readBytes: 34 });
  });

  it('tells sizes and versions, and what is not there', async () => {
    const storage = openStorage(`${await serve(files)}/data`);
    expect(await storage.stat('a.bin')).toEqual({ size: 10, version: '"10"' });
    expect(await storage.stat('')).toEqual({ size: 0 });
    expect(text(await storage.read('a.bin', { version: '"10"', length: 1 }))).toBe('a');
    await expect(storage.read('a.bin', { version: '"9"' })).rejects.toMatchObject({ kind: 'changed' });
    await expect(storage.read('none')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(storage.stat('none')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(storage.read('../secret')).rejects.toMatchObject({ kind: 'outside' });
  });

  it('says that a web server cannot be listed', async () => {
    await expect(openStorage(await serve(files)).list('')).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      message: expect.stringContaining('cannot be asked what it has'),
    });
  });

  it('refuses a server that ignores ranges, unless the whole was asked for', async () => {
    const storage = openStorage(await serve((_, response) => response.end('0123456789')));
    expect(text(await storage.read('x'))).toBe('0123456789');
    expect(text(await storage.read('x', { length: 11 }))).toBe('0123456789');
    const refused = { kind: 'io', reason: expect.stringContaining('does not answer requests for a part') };
    await expect(storage.read('x', { length: 5 })).rejects.toMatchObject(refused);
    await expect(storage.read('x', { offset: 5 })).rejects.toMatchObject(refused);
  });

  it('refuses another version that a server without If-Match sends', async () => {
    const storage = openStorage(await serve((_, response) => response.setHeader('etag', '"2"').end('x')));
    await expect(storage.read('x', { version: '"1"' })).rejects.toMatchObject({ kind: 'changed' });
  });

  it('says when it is denied, at once', async () => {
    const counts = newStorageCounts();
    const url = await serve((_, response) => response.writeHead(403).end());
    await expect(openStorage(url, { counts }).read('x')).rejects.toMatchObject({ kind: 'denied' });
    expect(counts.requests).toBe(1);
  });

  it('tells once that the server is away, and once that it is there again', async () => {
    const news: StorageNews[] = [];
    const url = await serve((_, response) => {
      if (news.length === 0) response.writeHead(503);
      response.end('x');
    });
    const storage = openStorage(url, { tell: (each) => void news.push(each) });
    expect(
      await Promise.all([storage.read('a'), storage.read('b')].map(async (read) => text(await read))),
    ).toEqual(['x', 'x']);
    await storage.read('c');
    expect(news).toEqual([
      { url, away: expect.stringContaining('503'), seconds: expect.any(Number) },
      { url, away: null, seconds: expect.any(Number) },
    ]);
  });

  it('tries again what may pass: refusals, cut answers, silence', async () => {
    let calls = 0;
    const failures: RequestListener[] = [
      (_, response) => response.writeHead(503).end(),
      (_, response) => response.writeHead(429).end(),
      (request) => request.socket.destroy(),
      (_, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('half');
        setImmediate(() => response.destroy());
      },
      () => {},
    ];
    const url = await serve((request, response) => {
      const failure = failures[calls++];
      if (failure) failure(request, response);
      else response.end('whole');
    });
    const counts = newStorageCounts();
    const storage = openStorage(url, { counts, silenceMs: 300, retryMs: 60_000 });
    expect(text(await storage.read('x'))).toBe('whole');
    expect(counts).toMatchObject({ requests: 6, retries: 5, readBytes: 5 });
  });

  it('says how often it tried when the budget is used up', async () => {
    const url = await serve(() => {});
    await expect(openStorage(url, { silenceMs: 50, retryMs: 100 }).read('x')).rejects.toMatchObject({
      kind: 'io',
      reason: expect.stringMatching(/^no answer for 0.05 s \(tried \d times in \d\.\d s\)$/),
    });
  });

  it('asks for no more at once than it may', async () => {
    let now = 0;
    let most = 0;
    const url = await serve((_, response) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        response.end('x');
      }, 10);
    });
    const storage = openStorage(url, { maxRequests: 3 });
    await Promise.all(Array.from({ length: 20 }, (_, i) => storage.read(`${i}`)));
    expect(most).toBe(3);
  });

  it('ends at once when it is aborted, also while it waits', async () => {
    const asked: (() => void)[] = [];
    const url = await serve(() => asked.pop()?.());
    const heard = new Promise<void>((resolve) => asked.push(resolve));
    const aborter = new AbortController();
    const storage = openStorage(url, { maxRequests: 1 });
    const reads = [1, 2].map((i) => storage.read(`${i}`, { signal: aborter.signal }));
    await heard;
    aborter.abort(new Error('enough'));
    for (const read of reads) await expect(read).rejects.toThrow('enough');
  });

  it.each(['http://user:secret@host/x', 'https://host/x?token=1', 's3://', 'ftp://host/x', 'file://host/x'])(
    'refuses the url %s',
    (url) => {
      expect(() => openStorage(url)).toThrow(/dataset\.url/);
    },
  );
});
