import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { CropstreamError } from '@cropstream/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificates } from '../../scripts/certificates.mjs';
import { temporaryFolder } from '../integration/harness.js';
import { until } from '../processes.mjs';
import { SecuredFleet, STEPS, TOKENS, tokenOf, type Who } from './fleet.js';

/** A fleet with TLS, certificates of its clients, and tokens: what it refuses, to whom, by which code. */
const { path: folder } = temporaryFolder();
const file = (name: string) => `${folder}/${name}`;

let fleet: SecuredFleet;
let expected: string;

/** Puts what the authority in `by` signed where the services look for it, and whom they trust. */
function place(by: string, trusted: readonly string[]): void {
  for (const name of ['service.pem', 'service.key', 'client.pem', 'client.key']) {
    copyFileSync(file(`${by}/${name}`), file(`used-${name}`));
  }
  writeFileSync(file('used-ca.pem'), trusted.map((ca) => readFileSync(file(ca))).join(''));
}

const tlsOf = (name = 'used-client', ca = 'used-ca.pem') => ({
  ca: file(ca),
  cert: file(`${name}.pem`),
  key: file(`${name}.key`),
});
const draw = (who: Who = 'trainer', more: object = {}) => fleet.draw(who, { tls: tlsOf(), ...more });
const codeOf = (drawn: Promise<unknown>) =>
  drawn.then(
    () => 'it is let in',
    (error: unknown) => (error instanceof CropstreamError ? error.code : String(error)),
  );

interface Asked {
  readonly who?: Who | string | null;
  readonly client?: string | null;
  readonly method?: string;
  readonly body?: unknown;
}

/** Asks over HTTPS; the status and the problem's code, if it is one. */
async function ask(
  path: string,
  { who = 'operator', client = 'used-client', method = 'GET', body }: Asked = {},
) {
  const token = who !== null && who in TOKENS ? tokenOf(who as Who) : who;
  const { hostname, port } = new URL(fleet.http);
  const own =
    client === null
      ? {}
      : { cert: await readFile(file(`${client}.pem`)), key: await readFile(file(`${client}.key`)) };
  const sent = body === undefined ? '' : JSON.stringify(body);
  return new Promise<{ status: number | undefined; code: string | null }>((resolve, reject) => {
    const asked = request(
      {
        ...{ hostname, port, path, method, ca: [], agent: false, rejectUnauthorized: false, ...own },
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(sent !== '' && { 'content-type': 'application/json' }),
        },
      },
      async (response) => {
        const told = await text(response);
        const problem = String(response.headers['content-type']).startsWith('application/problem+json');
        resolve({ status: response.statusCode, code: problem ? JSON.parse(told).code : null });
      },
    );
    asked.on('error', reject);
    asked.end(sent);
  });
}

beforeAll(async () => {
  makeCertificates(folder);
  makeCertificates(file('next'));
  // As before a rotation: the next authority is trusted already.
  place('.', ['ca.pem', 'next/ca.pem']);
  const tls = {
    CROPSTREAM_TLS_CERT: file('used-service.pem'),
    CROPSTREAM_TLS_KEY: file('used-service.key'),
    CROPSTREAM_TLS_CA: file('used-ca.pem'),
    CROPSTREAM_TLS_CLIENT_CA: file('used-ca.pem'),
  };
  fleet = await SecuredFleet.start(tls, folder);
  expected = await draw();
}, 120_000);

afterAll(async () => {
  await fleet?.stop();
  const logs = `${fleet?.coordinator.log()}${fleet?.worker.log()}`;
  expect(logs).not.toContain('token-of-the');
});

describe('over gRPC', () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['no token', () => fleet.draw('trainer', { tls: tlsOf(), token: undefined }), /UNAUTHENTICATED/],
    ['a wrong token', () => draw('trainer', { token: 'wrong' }), /UNAUTHENTICATED/],
    ['a role that is not for it', () => draw('scraper'), /FORBIDDEN/],
    [
      'no certificate',
      () => draw('trainer', { tls: { ca: file('used-ca.pem') }, timeoutMs: 500 }),
      /TLS_FAILED|UNREACHABLE/,
    ],
    [
      'an expired certificate',
      () => draw('trainer', { tls: tlsOf('expired'), timeoutMs: 500 }),
      /TLS_FAILED|UNREACHABLE/,
    ],
    [
      'a foreign certificate',
      () => draw('trainer', { tls: tlsOf('foreign/client'), timeoutMs: 500 }),
      /TLS_FAILED|UNREACHABLE/,
    ],
    ['no TLS', () => draw('trainer', { tls: false, timeoutMs: 500 }), /TLS_FAILED|UNREACHABLE/],
    ["another owner's run", () => draw('stranger', { spec: undefined, run: 'lab-run' }), /RUN_NOT_FOUND/],
  ])('refuses %s', async (_, drawn, code) => {
    expect(await codeOf(drawn())).toMatch(code);
  });

  test('lets in whom it is for', async () => {
    expect(await draw()).toBe(expected);
    expect(await draw('operator', { consumer: 'operator' })).toBe(expected);
  });
});

describe('over HTTP', () => {
  test.each<[string, string, Asked, number, string]>([
    ['no token', '/api/v1/runs', { who: null }, 401, 'UNAUTHENTICATED'],
    ['a wrong token', '/api/v1/runs', { who: 'wrong' }, 401, 'UNAUTHENTICATED'],
    ['metrics to a trainer', '/metrics', { who: 'trainer' }, 403, 'FORBIDDEN'],
    ['no certificate', '/api/v1/runs', { client: null }, 403, 'CERTIFICATE_REQUIRED'],
    ['an expired certificate', '/api/v1/runs', { client: 'expired' }, 403, 'CERTIFICATE_REQUIRED'],
    ['a foreign certificate', '/api/v1/runs', { client: 'foreign/client' }, 403, 'CERTIFICATE_REQUIRED'],
    [
      'what a trainer may not',
      '/api/v1/runs/lab-run/pause',
      { who: 'trainer', method: 'POST' },
      403,
      'FORBIDDEN',
    ],
    ["another owner's run", '/api/v1/runs/lab-run', { who: 'stranger' }, 404, 'RUN_NOT_FOUND'],
    [
      "another owner's batch",
      '/api/v1/runs/lab-run/steps/0/batch?rank=0&world=1',
      { who: 'rival' },
      404,
      'RUN_NOT_FOUND',
    ],
  ])('refuses %s', async (_, path, asked, status, code) => {
    expect(await ask(path, asked)).toEqual({ status, code });
  });

  test('answers probes without a certificate or a token', async () => {
    for (const path of ['/healthz', '/readyz']) {
      expect(await ask(path, { who: null, client: null })).toEqual({ status: 200, code: null });
    }
  });
});

describe('a spec', () => {
  const url = (value: string) => fleet.spec({ name: 'escape' }, value);
  const open = (spec: unknown) => codeOf(draw('trainer', { spec }));

  test.each([
    ['another folder', () => url(file('secret'))],
    ['another folder of the system', () => url('/etc')],
    ['dots', () => url(`${file('data')}/../secret`)],
    ['dots in a URL', () => url(`file://${file('data')}/%2e%2e/secret`)],
    [
      'a link',
      () => {
        symlinkSync(file('secret'), file('data/link'));
        return url(file('data/link'));
      },
    ],
    ['a web server', () => url('http://127.0.0.1:1/')],
    ['an object store', () => url('s3://secrets/')],
    [
      'a subset elsewhere',
      () => ({
        ...url(file('data/images')),
        dataset: { source: 'image-folder', url: file('data/images'), subset: '/etc/passwd' },
      }),
    ],
    [
      'a part of a mix elsewhere',
      () => ({
        ...url(''),
        dataset: {
          source: 'mix',
          datasets: [
            { source: 'image-folder', url: file('data/images'), weight: 1 },
            { source: 'image-folder', url: file('secret'), weight: 1 },
          ],
        },
      }),
    ],
  ])('does not reach outside of its roots by %s', async (_, spec) => {
    expect(await open(spec())).toMatch(/URL_FORBIDDEN|SPEC_INVALID/);
  });

  const views = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}`, { size: 16 }]));

  test.each<[string, () => unknown]>([
    ['very many views', () => fleet.spec({ name: 'bomb', views: views(50_000) })],
    ['a view very many times', () => fleet.spec({ name: 'bomb', views: { a: { count: 1e9, size: 16 } } })],
    ['a huge view', () => fleet.spec({ name: 'bomb', views: { a: { size: 1e8 } } })],
    [
      'very many transforms',
      () =>
        fleet.spec({
          name: 'bomb',
          views: { a: { size: 16, transforms: Array.from({ length: 100_000 }, () => 'horizontal_flip') } },
        }),
    ],
    ['a long name', () => fleet.spec({ name: 'a'.repeat(1 << 20) })],
    ['a lone surrogate', () => fleet.spec({ name: '\ud800' })],
    [
      'numbers without bounds',
      () => fleet.spec({ name: 'bomb', global_batch_size: 1e300, chunk_size: -1e300 }),
    ],
    [
      'a prototype',
      () =>
        JSON.parse(
          `{"__proto__":{"name":"x"},"constructor":{"prototype":{}},"dataset":{"source":"image-folder","url":"${file('data/images')}"}}`,
        ),
    ],
    ['aliases', () => ({ ...fleet.spec({ name: 'bomb' }), views: '&a [*a, *a]' })],
  ])('is refused with %s', async (_, spec) => {
    expect(await open(spec())).toMatch(
      /^(SPEC_INVALID|SPEC_INCOMPLETE|SPEC_UNREADABLE|LIMIT_EXCEEDED|CHUNK_TOO_LARGE|REQUEST_TOO_LARGE)$/,
    );
    const { status } = await ask('/api/v1/runs', { method: 'POST', body: spec() });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });
});

test('certificates that are replaced hold for the next connections, and live streams go on', async () => {
  const { MultiCropLoader, StreamDigest } = await import('@cropstream/client');
  const loader = await MultiCropLoader.open({
    ...{ target: fleet.target, token: tokenOf('trainer'), tls: tlsOf(), run: 'lab-run', consumer: 'live' },
    ...{ rank: 0, worldSize: 1, endStep: STEPS, timeoutMs: 20_000, prefetch: { steps: 1 } },
  });
  const digest = new StreamDigest();
  const batches = loader[Symbol.asyncIterator]();
  const first = await batches.next();
  if (!first.done) digest.update(first.value);
  place('next', ['ca.pem', 'next/ca.pem']);
  await until('the new certificates are used', async () => {
    // At the next connection.
    await ask('/healthz');
    return fleet.coordinator.log().includes('were replaced');
  });
  for (let next = await batches.next(); !next.done; next = await batches.next()) digest.update(next.value);
  await loader.close();
  expect(digest.hex()).toBe(expected);
  expect(await draw('trainer', { consumer: 'new' })).toBe(expected);
  // The former authority is trusted no more, and so are those whom it signed.
  place('next', ['next/ca.pem']);
  const former = { ...tlsOf('client'), ca: file('next/ca.pem') };
  await until('a former client is refused', async () =>
    /TLS_FAILED|UNREACHABLE/.test(
      await codeOf(draw('trainer', { tls: former, timeoutMs: 500, consumer: 'former' })),
    ),
  );
  await until(
    'who reads the new files is let in',
    async () => (await draw('trainer', { consumer: 'new' }).catch(String)) === expected,
  );
}, 60_000);

test('the service is as before after all of it', async () => {
  expect(await draw('trainer', { consumer: 'last' })).toBe(expected);
  expect(await ask('/healthz')).toEqual({ status: 200, code: null });
});
