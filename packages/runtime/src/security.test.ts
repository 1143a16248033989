import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { makeCertificates } from '../../../scripts/certificates.mjs';
import {
  clientSecurity,
  loadConfig,
  loadSecurity,
  OPEN,
  type ServerSecurity,
  serverSecurity,
  serverSecurityVariables,
  tokenInClear,
  warnIfExposed,
} from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'cropstream-security-'));
makeCertificates(folder);
const file = (name: string) => join(folder, name);
const pair = { CROPSTREAM_TLS_CERT: file('service.pem'), CROPSTREAM_TLS_KEY: file('service.key') };
afterAll(() => rmSync(folder, { recursive: true }));

const OPEN_CLIENT = { tls: null, token: null, tokenFile: null };

const messageOf = (call: () => unknown) => {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  return expect.unreachable();
};

describe('a service', () => {
  it('is open where nothing says otherwise', () => {
    expect(loadSecurity({})).toEqual({ security: OPEN, peers: OPEN_CLIENT });
  });

  it('is verified by the first name in its certificate, or the one that it is told', () => {
    expect(loadSecurity(pair).security.tls?.name).toBe('cropstream-worker');
    const told = loadSecurity({ ...pair, CROPSTREAM_TLS_NAME: 'localhost' });
    expect(told.security.tls?.name).toBe('localhost');
  });

  it('trusts its own certificate in others, until it is told an authority', () => {
    const { security, peers } = loadSecurity(pair);
    expect(peers.tls?.ca).toContain(security.tls?.cert);
    const told = loadSecurity({ ...pair, CROPSTREAM_TLS_CA: file('ca.pem') });
    expect(told.peers.tls?.ca).toHaveLength(1);
  });

  it('reads its token from the environment or a file, and shows it to nobody', () => {
    writeFileSync(file('token'), 'from-a-file\n');
    expect(loadSecurity({ CROPSTREAM_TOKEN: 'told' }).security.token).toBe('told');
    expect(loadSecurity({ CROPSTREAM_TOKEN_FILE: file('token') }).security.token).toBe('from-a-file');
    const { security, peers } = loadSecurity({ CROPSTREAM_TOKEN_FILE: file('token') });
    expect([security.tokenFile, peers.tokenFile]).toEqual([file('token'), file('token')]);
    const message = messageOf(() => loadSecurity({ CROPSTREAM_TOKEN: 'two words' }));
    expect(message).toContain('CROPSTREAM_TOKEN is');
    expect(message).not.toContain('two words');
  });

  it('wants a token of the fleet beside a file of tokens, and makes one up where it is the fleet', () => {
    const env = { CROPSTREAM_TOKENS_FILE: file('tokens.yaml') };
    const config = loadConfig(z.object(serverSecurityVariables), env);
    expect(messageOf(() => serverSecurity(config))).toContain('CROPSTREAM_TOKEN is not set');
    const { security, peers } = loadSecurity(env);
    expect(security.token).toMatch(/^[\w-]{43}$/);
    expect(peers.token).toBe(security.token);
    expect(loadSecurity(env).security.token).not.toBe(security.token);
  });

  it.each([
    [{ CROPSTREAM_TLS_CERT: pair.CROPSTREAM_TLS_CERT }, 'CROPSTREAM_TLS_KEY is not set'],
    [{ CROPSTREAM_TLS_KEY: pair.CROPSTREAM_TLS_KEY }, 'CROPSTREAM_TLS_CERT is not set'],
    [{ CROPSTREAM_TLS_CLIENT_CA: file('ca.pem') }, 'CROPSTREAM_TLS_CERT is not set'],
    [{ ...pair, CROPSTREAM_TLS_CERT: '/nowhere' }, 'CROPSTREAM_TLS_CERT is "/nowhere" (ENOENT'],
    [{ ...pair, CROPSTREAM_TLS_CERT: file('service.key') }, 'CROPSTREAM_TLS_CERT is'],
    [{ ...pair, CROPSTREAM_TLS_KEY: file('client.key') }, 'the key of'],
    [{ ...pair, CROPSTREAM_TLS_NAME: 'elsewhere' }, 'CROPSTREAM_TLS_NAME is "elsewhere"'],
    [{ CROPSTREAM_TOKEN_FILE: '/nowhere' }, 'CROPSTREAM_TOKEN_FILE is "/nowhere"'],
  ])('does not start with half of it: %o', (env, message) => {
    expect(messageOf(() => loadSecurity(env))).toContain(message);
  });

  it.each<[string, ServerSecurity, RegExp | null]>([
    ['127.0.0.1', OPEN, /^nothing is secured: whoever is on this machine/],
    ['127.0.0.1', { ...OPEN, token: 't' }, null],
    ['0.0.0.0', OPEN, /^nothing is secured, and this listens beyond .* ANYONE/],
    ['0.0.0.0', { ...OPEN, token: 't' }, /without TLS/],
    ['0.0.0.0', { ...loadSecurity(pair).security, token: 't' }, null],
  ])('says what is open: on %s', (host, security, expected) => {
    const warn = vi.fn();
    warnIfExposed(host, security, { warn });
    if (expected === null) expect(warn).not.toHaveBeenCalled();
    else expect(warn).toHaveBeenCalledExactlyOnceWith({ host }, expect.stringMatching(expected));
  });
});

describe('a client', () => {
  const environment = { CROPSTREAM_TLS_CA: file('ca.pem'), CROPSTREAM_TOKEN: 'told' };

  it('takes from its environment what it was not told', () => {
    expect(clientSecurity({}, {})).toEqual(OPEN_CLIENT);
    expect(clientSecurity({}, environment)).toMatchObject({ tls: { serverName: null }, token: 'told' });
    expect(clientSecurity({ tls: false, token: 'other' }, environment)).toEqual({
      tls: null,
      token: 'other',
      tokenFile: null,
    });
    expect(clientSecurity({}, { ...environment, CROPSTREAM_TLS: 'false' }).tls).toBeNull();
    expect(clientSecurity({ tls: true }, {}).tls).toMatchObject({
      ca: null,
      identity: null,
      serverName: null,
    });
  });

  it('names the option or the variable that cannot be used', () => {
    const tls = { ca: '/nowhere' };
    expect(messageOf(() => clientSecurity({ tls }, {}))).toContain('options.tls.ca: "/nowhere"');
    const { CROPSTREAM_TLS_CERT: cert } = pair;
    expect(messageOf(() => clientSecurity({ tls: { cert } }, {}))).toContain('options.tls.key');
    expect(messageOf(() => clientSecurity({}, { CROPSTREAM_TLS_CA: '/no' }))).toContain('CROPSTREAM_TLS_CA');
    expect(messageOf(() => clientSecurity({}, { CROPSTREAM_TLS: 'maybe' }))).toContain('true or false');
  });

  it.each([
    ['localhost:7400', false],
    ['127.0.0.1:7400', false],
    ['[::1]:7400', false],
    ['ipv4:127.0.0.1:1,127.0.0.1:2', false],
    ['dns:///localhost:1', false],
    ['node7:7400', true],
    ['ipv4:127.0.0.1:1,10.0.0.1:2', true],
  ])('knows when its token could be read on the way to %s', (target, expected) => {
    expect(tokenInClear(target, { ...OPEN, token: 't' })).toBe(expected);
    expect(tokenInClear(target, OPEN)).toBe(false);
  });
});
