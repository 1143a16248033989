import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { failure } from '@cropstream/errors';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificates } from '../../../../scripts/certificates.mjs';
import { type Access, loadSecurity, OPEN_ACCESS, type Principal, ServerCertificates } from '../index.js';
import { type HttpServer, type HttpServerOptions, principalOf, startHttpServer } from './server.js';

const folder = mkdtempSync(join(tmpdir(), 'cropstream-http-'));
const file = (name: string) => join(folder, name);
beforeAll(() => makeCertificates(folder));
afterAll(() => rmSync(folder, { recursive: true }));

const PRINCIPALS: Record<string, Principal> = {
  'Bearer t': { name: 'lab-trainer', owner: 'lab', role: 'trainer' },
  'Bearer o': { name: 'lab-operator', owner: 'lab', role: 'operator' },
};
const TOKENS: Access = {
  ...OPEN_ACCESS,
  secured: true,
  authenticate: (authorization) => PRINCIPALS[authorization ?? ''] ?? null,
};

const log = { error: vi.fn() };
const servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  log.error.mockClear();
});

async function serve(options: Partial<HttpServerOptions> = {}): Promise<number> {
  const server = await startHttpServer({
    ...{ host: '127.0.0.1', port: 0, portFlag: '--http-port', registry: new Registry(), log },
    ...{ certificates: null, access: OPEN_ACCESS, ready: async () => true },
    plugin: async (app) => {
      app.get('/who', async (request) => principalOf(request));
      app.get('/page', { config: { access: 'anyone' } }, async () => 'hello');
      app.get('/run/:name', async ({ params }) => {
        throw failure('RUN_NOT_FOUND', { run: (params as { name: string }).name, known: 'none' });
      });
      app.get('/defect', async () => {
        throw new Error('a secret of the code');
      });
      app.post('/echo', async ({ body }) => body);
    },
    ...options,
  });
  servers.push(server);
  return server.port;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly json: () => Record<string, unknown>;
}

async function ask(
  port: number,
  path: string,
  options: RequestOptions & { body?: string; ca?: Buffer } = {},
) {
  const send = options.ca === undefined ? httpRequest : httpsRequest;
  const { body, ...rest } = options;
  const request = send({ host: '127.0.0.1', port, path, agent: false, ...rest });
  request.end(body);
  const [response] = await once(request, 'response');
  // The server may be done with the request before all of it is written.
  request.on('error', () => {});
  const told = await text(response);
  const answer: Answer = {
    status: response.statusCode,
    headers: response.headers,
    body: told,
    json: () => JSON.parse(told),
  };
  return answer;
}

const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const json = (body: string, headers: object = {}) => ({
  method: 'POST',
  body,
  headers: { 'content-type': 'application/json', ...headers },
});

describe('an open server', () => {
  it('answers probes and metrics, with headers that bind browsers', async () => {
    const port = await serve();
    expect(await ask(port, '/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    expect(await ask(port, '/readyz')).toMatchObject({ status: 200 });
    const { body, headers } = await ask(port, '/metrics');
    expect(body).toMatch(/^cropstream_http_limit_used\{limit="http_connections"\} 1$/m);
    expect(body).toMatch(/^cropstream_http_limit_bytes\{limit="http_body_bytes"\} 4194304$/m);
    expect(headers['content-security-policy']).toMatch(/^default-src 'self'/);
    expect(headers['strict-transport-security']).toBeUndefined();
  });

  it('tells errors of the table as problem+json', async () => {
    const port = await serve();
    const { status, headers, json } = await ask(port, '/run/digits');
    expect(status).toBe(404);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(json()).toMatchObject({
      type: 'urn:cropstream:error:RUN_NOT_FOUND',
      code: 'RUN_NOT_FOUND',
      status: 404,
      detail: 'no run is named digits',
      details: { run: 'digits' },
    });
    expect(log.error).not.toHaveBeenCalled();
  });

  it('logs a defect', async () => {
    const port = await serve();
    expect((await ask(port, '/defect')).json()).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(log.error).toHaveBeenCalledOnce();
  });

  it.each<[string, string, RequestOptions & { body?: string }, number, string]>([
    ['an unknown path', '/nowhere?q=1', {}, 404, 'ROUTE_NOT_FOUND'],
    ['an unknown method', '/who', { method: 'DELETE' }, 404, 'ROUTE_NOT_FOUND'],
    ['a path that is none', '/%zz', {}, 400, 'REQUEST_INVALID'],
    ['a body that is no JSON', '/echo', json('{'), 400, 'REQUEST_INVALID'],
    ['a body that would set a prototype', '/echo', json('{"__proto__":{"a":1}}'), 400, 'REQUEST_INVALID'],
    ['a body that is nested deeply', '/echo', json('['.repeat(1_000)), 400, 'LIMIT_EXCEEDED'],
    ['a body of text', '/echo', json('a', { 'content-type': 'text/plain' }), 415, 'MEDIA_TYPE_UNSUPPORTED'],
    ['a long body', '/echo', json('1', { 'content-length': 5 << 20 }), 413, 'REQUEST_TOO_LARGE'],
    ['long headers', '/who', { headers: { a: 'a'.repeat(20_000) } }, 431, 'HEADERS_TOO_LARGE'],
    ['a public name', '/who', { headers: { host: 'evil.example' } }, 403, 'HOST_FORBIDDEN'],
    ['another site', '/echo', json('1', { origin: 'http://evil.example' }), 403, 'HOST_FORBIDDEN'],
  ])('refuses %s', async (_, path, options, status, code) => {
    const port = await serve();
    expect((await ask(port, path, options)).json()).toMatchObject({ status, code });
  });

  it.each([
    'localhost:7401',
    '10.0.0.1',
    '[::1]:7401',
    'coordinator:7401',
    'coordinator.ns.svc.cluster.local',
  ])('is met by %s', async (host) => {
    const port = await serve();
    expect(await ask(port, '/who', { headers: { host } })).toMatchObject({ status: 200 });
  });

  it('takes what its own pages send', async () => {
    const port = await serve();
    const headers = { host: `localhost:${port}`, origin: `http://localhost:${port}` };
    expect(await ask(port, '/echo', json('[1]', headers))).toMatchObject({ status: 200, body: '[1]' });
  });

  it('ends a connection that sends its request too slowly', async () => {
    const port = await serve({ limits: { headersMs: 50, requestMs: 100 } });
    const head = 'POST /echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n';
    for (const part of ['', head, `${head}content-length: 9\r\n\r\n1`]) {
      const socket = connect(port, '127.0.0.1');
      socket.write(part);
      const answer = await text(socket);
      if (part !== '') expect(answer).toMatch(/^HTTP\/1.1 408 .*"code":"REQUEST_TIMEOUT"/s);
    }
  });

  it('lets no address have more than half of the connections', async () => {
    const port = await serve({ limits: { maxConnections: 4 } });
    const held = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    const third = connect(port, '127.0.0.1');
    await once(third.resume(), 'close');
    held[0]?.destroy();
    await vi.waitFor(async () => expect(await ask(port, '/healthz')).toMatchObject({ status: 200 }));
    held[1]?.destroy();
  });
});

describe('a server with tokens', () => {
  it('serves its probes and what is for anyone without one, and nothing else', async () => {
    const port = await serve({ access: TOKENS });
    for (const path of ['/healthz', '/readyz', '/page'])
      expect(await ask(port, path)).toMatchObject({ status: 200 });
    for (const path of ['/metrics', '/who', '/nowhere', '/run/digits']) {
      expect((await ask(port, path)).json(), path).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
      expect((await ask(port, path, as('x'))).json(), path).toMatchObject({ status: 401 });
    }
    expect((await ask(port, '/who')).headers['www-authenticate']).toBe('Bearer');
  });

  it('knows who asks, and what a role may', async () => {
    const port = await serve({ access: TOKENS });
    expect((await ask(port, '/who', as('t'))).json()).toEqual(PRINCIPALS['Bearer t']);
    expect((await ask(port, '/metrics', as('t'))).json()).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(await ask(port, '/metrics', as('o'))).toMatchObject({ status: 200 });
  });

  it('is met by any name', async () => {
    const port = await serve({ access: TOKENS });
    const headers = { host: 'crops.example', authorization: 'Bearer t' };
    expect(await ask(port, '/who', { headers })).toMatchObject({ status: 200 });
  });
});

describe('a server with TLS and certificates of clients', () => {
  const certificates = () => {
    const { security } = loadSecurity({
      CROPSTREAM_TLS_CERT: file('service.pem'),
      CROPSTREAM_TLS_KEY: file('service.key'),
      CROPSTREAM_TLS_CLIENT_CA: file('ca.pem'),
    });
    return security.tls && new ServerCertificates(security.tls, { info: vi.fn(), error: vi.fn() });
  };
  const read = (name: string) => readFileSync(file(name));
  const client = (by: string | null) => ({
    ...{ ca: read('ca.pem'), servername: 'localhost' },
    ...(by !== null && { cert: read(`${by}client.pem`), key: read(`${by}client.key`) }),
  });

  it('answers only probes without a certificate of theirs', async () => {
    const port = await serve({ certificates: certificates() });
    for (const by of [null, 'foreign/']) {
      expect(await ask(port, '/healthz', client(by))).toMatchObject({ status: 200 });
      for (const path of ['/who', '/metrics', '/page', '/nowhere']) {
        const { json } = await ask(port, path, client(by));
        expect(json(), path).toMatchObject({ status: 403, code: 'CERTIFICATE_REQUIRED' });
      }
    }
    const { status, headers } = await ask(port, '/who', client(''));
    expect(status).toBe(200);
    expect(headers['strict-transport-security']).toBeDefined();
  });

  it('does not speak in clear', async () => {
    const port = await serve({ certificates: certificates() });
    await expect(ask(port, '/healthz')).rejects.toThrow();
  });
});
