import { join } from 'node:path';
import { freePort, type TlsOptions } from '@cropstream/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificates } from '../../scripts/certificates.mjs';
import { digestOf, makeImages, run, type Served, serve, temporaryFolder } from './harness.js';

const TOKEN = 'correct-horse';

const folder = temporaryFolder();
const data = join(folder.path, 'images');
const file = (name: string) => join(folder.path, name);
const flags = ['--data', data, '--recipe', 'lesson-cifar10', '--global-batch-size', '8', '--threads', '1'];

let open: Served;
let closed: Served;
let expected: string;

interface Access {
  readonly target?: string;
  readonly tls?: boolean | TlsOptions;
  readonly token?: string;
  readonly timeoutMs?: number;
}

/** The digest of the first two steps. */
function draw(access: Access = {}): Promise<string> {
  return digestOf({
    target: `localhost:${closed.target.split(':')[1]}`,
    timeoutMs: 10_000,
    endStep: 2,
    ...access,
  });
}

beforeAll(async () => {
  makeCertificates(folder.path);
  await makeImages(data, 24);
  const security = {
    CROPSTREAM_TLS_CERT: file('service.pem'),
    CROPSTREAM_TLS_KEY: file('service.key'),
    CROPSTREAM_TLS_CLIENT_CA: file('ca.pem'),
    CROPSTREAM_TLS_CA: file('ca.pem'),
    CROPSTREAM_TOKEN: TOKEN,
  };
  [open, closed] = await Promise.all([serve(flags), serve(flags, security)]);
  expected = await draw({ target: open.target });
}, 60_000);

afterAll(async () => {
  await Promise.all([open?.stop(), closed?.stop()]);
  expect(closed?.log()).not.toContain(TOKEN);
  folder.remove();
});

describe('a service with TLS, certificates of clients and a token', () => {
  const tls = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') };

  test('delivers the same stream', async () => {
    expect(await draw({ tls, token: TOKEN })).toBe(expected);
  });

  test('is met by any name of its certificate', async () => {
    expect(
      await draw({ target: closed.target, tls: { ...tls, serverName: 'localhost' }, token: TOKEN }),
    ).toBe(expected);
    await expect(draw({ target: closed.target, tls, token: TOKEN })).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringContaining('CROPSTREAM_TLS_SERVER_NAME'),
    });
  });

  test.each([
    ['no token', { tls }, 'UNAUTHENTICATED', /carries no token.*CROPSTREAM_TOKEN_FILE/],
    ['a wrong token', { tls, token: 'battery' }, 'UNAUTHENTICATED', /is not known here/],
    [
      'a foreign authority',
      { tls: { ...tls, ca: file('foreign/ca.pem') }, token: TOKEN },
      'TLS_FAILED',
      /CROPSTREAM_TLS_CA/,
    ],
    ['well-known authorities alone', { tls: true, token: TOKEN }, 'TLS_FAILED', /CROPSTREAM_TLS_CA/],
  ])('refuses a client with %s, at once', async (_, access, code, message) => {
    const refused = await draw(access).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(String(refused)).not.toContain(TOKEN);
    expect(String(refused)).not.toContain('battery');
  });

  test.each([
    ['without TLS', { tls: false, token: TOKEN }],
    ['without a certificate', { tls: { ca: tls.ca }, token: TOKEN }],
    [
      'with a foreign certificate',
      { tls: { ...tls, cert: file('foreign/client.pem'), key: file('foreign/client.key') }, token: TOKEN },
    ],
  ])('refuses a client %s, with what to look at', async (_, access) => {
    const refused = await draw({ ...access, timeoutMs: 500 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: expect.stringMatching(/UNREACHABLE|TLS_FAILED/),
      message: expect.stringMatching(/certificate/),
    });
  });

  test('does not take a service without TLS for one with it', async () => {
    const target = `localhost:${open.target.split(':')[1]}`;
    await expect(draw({ target, tls, token: TOKEN })).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringContaining('does not speak TLS'),
    });
  });

  test('is asked by commands with what the environment says', async () => {
    const target = `localhost:${closed.target.split(':')[1]}`;
    const env = {
      CROPSTREAM_TLS_CA: tls.ca,
      CROPSTREAM_TLS_CERT: tls.cert,
      CROPSTREAM_TLS_KEY: tls.key,
      CROPSTREAM_TOKEN: TOKEN,
    };
    const pulled = await run(['pull', '--target', target, '--steps', '2', '--json'], env);
    expect(JSON.parse(pulled.stdout)).toMatchObject({ digest: expected });
    const looked = await run(['doctor', '--target', target, '--json'], env);
    expect(looked.stdout).toContain(`${target} is serving`);
    const refused = await run(['doctor', '--target', target], { ...env, CROPSTREAM_TOKEN: '' });
    expect(refused.stdout).toMatch(/fail +service +the call is refused: it carries no token/);
  });
});

test('a service that is away is told by address, cause and the time that was tried', async () => {
  const target = `127.0.0.1:${await freePort('127.0.0.1')}`;
  const { code, stderr } = await run(['pull', '--target', target, '--timeout', '1']);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^error: cannot reach 127\.0\.0\.1:\d+: the connection is refused: nothing listens there; tried for \d\.\d s\n +help: Is it running/,
  );
});
