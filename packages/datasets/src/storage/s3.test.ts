import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { serve } from '../../test-support/web-server.js';
import { newStorageCounts, openStorage } from '../index.js';

// What real servers do is tested in tests/data/; here is what they do rarely, and what they are asked.

/** A server that speaks as much S3 as a test needs; the storage of its bucket, and what it has seen. */
async function bucketOf(listener: RequestListener, limits: object = {}) {
  const seen: { url: string; headers: IncomingHttpHeaders }[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers });
    listener(request, response);
  });
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const counts = newStorageCounts();
  const storage = openStorage('s3://bucket/root', { counts, ...limits });
  onTestFinished(() => storage.close());
  return { storage, counts, seen, connections: () => connections };
}

const failing = (status: number, code: string): RequestListener => {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>so it says</Message></Error>`;
  return (_, response) => response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
};
const answering =
  (body: string): RequestListener =>
  (_, response) =>
    response.writeHead(200, { 'content-length': body.length, etag: '"1"' }).end(body);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_REGION', undefined);
  vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
  return () => vi.unstubAllEnvs();
});

describe('S3Storage', () => {
  it('asks for a range of a version, signed, in the bucket by its path', async () => {
    const { storage, seen } = await bucketOf((_, response) =>
      response
        .writeHead(206, { 'content-length': 3, 'content-range': 'bytes 5-7/10', etag: '"1"' })
        .end('abc'),
    );
    expect(text(await storage.read('a b/ü', { offset: 5, length: 3, version: '"1"' }))).toBe('abc');
    const [{ url, headers }] = seen as [(typeof seen)[number]];
    expect(url).toMatch(/^\/bucket\/root\/a%20b\/%C3%BC(\?x-id=GetObject)?$/);
    expect(headers).toMatchObject({ range: 'bytes=5-7', 'if-match': '"1"' });
    expect(headers.authorization).toContain('Credential=key/');
    expect(headers.authorization).toContain('/us-east-1/s3/');
    expect(headers).not.toHaveProperty('x-amz-checksum-mode');
  });

  it('uses its connections again, and no more of them than it may', async () => {
    const { storage, connections } = await bucketOf(answering('x'), { maxRequests: 3 });
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 12 }, (_, i) => storage.read(`${i}`)));
    }
    expect(connections()).toBe(3);
  });

  it('tries again what may pass', async () => {
    const failures: RequestListener[] = [
      failing(503, 'SlowDown'),
      failing(500, 'InternalError'),
      (_, response) =>
        response.writeHead(502, { 'content-type': 'text/html' }).end('<html>no gateway</html>'),
      (request) => request.socket.destroy(),
      (_, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('half');
        setImmediate(() => response.destroy());
      },
      (_, response) => response.writeHead(200, { 'content-length': 10 }).write('half'),
      () => {},
    ];
    const { storage, counts } = await bucketOf(
      (request, response) => (failures.shift() ?? answering('whole'))(request, response),
      { silenceMs: 300, retryMs: 120_000 },
    );
    expect(text(await storage.read('x'))).toBe('whole');
    expect(counts).toMatchObject({ requests: 8, retries: 7, readBytes: 5 });
  });

  it.each([
    [403, 'AccessDenied', 'denied'],
    [400, 'ExpiredToken', 'denied'],
    [403, 'InvalidObjectState', 'denied'],
    [404, 'NoSuchKey', 'not-found'],
    [412, 'PreconditionFailed', 'changed'],
    [400, 'InvalidRequest', 'io'],
  ])('takes %d %s for %s, at once', async (status, code, kind) => {
    const { storage, counts } = await bucketOf(failing(status, code));
    await expect(storage.read('x', { version: '"1"' })).rejects.toMatchObject({ kind, path: 'x' });
    expect(counts).toMatchObject({ requests: 1, retries: 0 });
  });

  it('says by which status it is denied where the answer has no body', async () => {
    const { storage } = await bucketOf((_, response) => response.writeHead(403).end());
    const denied = { kind: 'denied', reason: expect.stringMatching(/HTTP status 403.*credentials/) };
    await expect(storage.stat('x')).rejects.toMatchObject(denied);
    await expect(storage.read('x')).rejects.toMatchObject(denied);
  });

  it('tries again when credentials that there were cannot be had for a moment', async () => {
    let broken = 0;
    const provider = await serve((_, response) => {
      if (broken > 0) {
        broken--;
        return response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
      }
      // Over already, so that they are asked for anew each time.
      const Expiration = new Date(Date.now() - 1000).toISOString();
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ AccessKeyId: 'a', SecretAccessKey: 'b', Token: 'c', Expiration }));
    });
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${provider}/role`);
    broken = 100;
    const { storage, counts } = await bucketOf(answering('x'), { retryMs: 60_000 });
    await expect(storage.read('x')).rejects.toMatchObject({ kind: 'denied' });
    expect(counts.retries).toBe(0);
    broken = 0;
    expect(text(await storage.read('x'))).toBe('x');
    // The SDK itself asks some times more.
    broken = 5;
    expect(text(await storage.read('x'))).toBe('x');
    expect(counts.retries).toBeGreaterThan(0);
  });

  it('refuses another version, or the whole file, from a server that ignores what it is asked', async () => {
    const { storage } = await bucketOf(answering('0123456789'));
    await expect(storage.read('x', { version: '"2"' })).rejects.toMatchObject({ kind: 'changed' });
    await expect(storage.read('x', { offset: 2 })).rejects.toMatchObject({ kind: 'io' });
    await expect(storage.read('x', { length: 2 })).rejects.toMatchObject({ kind: 'io' });
    expect(text(await storage.read('x', { length: 11 }))).toBe('0123456789');
  });
});
