import { createHash } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OPEN, type ServerSecurity } from '../security.js';
import { VirtualClock } from '../virtual-clock.js';
import { type Access, openAccess } from './access.js';
import { newToken } from './new-token.js';

const sha256 = (token: string) => createHash('sha256').update(token).digest('hex');
const folder = mkdtempSync(join(tmpdir(), 'cropstream-access-'));
const tokensFile = join(folder, 'tokens.yaml');
const tokenFile = join(folder, 'token');
afterEach(() => {
  rmSync(tokensFile, { force: true });
  rmSync(tokenFile, { force: true });
});

/** As operators and Kubernetes do it: nobody reads half of it. */
function put(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

const entry = (name: string, role: string, owner?: string) =>
  `  - { name: ${name}, role: ${role}, sha256: ${sha256(`${name}-token`)}${owner ? `, owner: "${owner}"` : ''} }\n`;
const OWNERS = 'owners:\n  vision: { roots: [/data/vision], max_runs: 3, weight: 2 }\n  speech:\ntokens:\n';
const TOKENS = `${OWNERS}${entry('ann', 'trainer', 'vision')}${entry('bob', 'operator', 'speech')}${entry('root', 'operator')}`;

function open(more: Partial<ServerSecurity>) {
  const clock = new VirtualClock();
  const log = { info: vi.fn(), error: vi.fn() };
  const access = openAccess({ ...OPEN, ...more }, { clock, log });
  return { access, clock, log };
}
const bearer = (access: Access, token: string) => access.authenticate(`Bearer ${token}`);

/** Lets virtual time pass until what the real file system is asked for has come. */
async function until(clock: VirtualClock, isSo: () => boolean): Promise<void> {
  await vi.waitFor(async () => {
    await clock.advance(1_000);
    expect(isSo()).toBe(true);
  });
}

describe('a service without tokens', () => {
  it('lets everybody in as an operator of the only owner', () => {
    const { access } = open({});
    expect(access.secured).toBe(false);
    expect(access.authenticate(undefined)).toEqual({ name: 'everybody', owner: 'default', role: 'operator' });
    expect(access.limitsOf('default')).toMatchObject({ roots: [], maxRuns: null, weight: 1 });
  });
});

describe('a service of one token', () => {
  it('lets in whoever carries it, and nobody else', () => {
    const { access } = open({ token: 'right' });
    expect(access.secured).toBe(true);
    expect(bearer(access, 'right')).toEqual({ name: 'token', owner: 'default', role: 'operator' });
    expect(access.authenticate('bearer right')).not.toBeNull();
    for (const wrong of [
      undefined,
      '',
      'right',
      'Bearer',
      'Bearer ',
      'Bearer righ',
      'Bearer right x',
      'Basic right',
    ]) {
      expect(access.authenticate(wrong)).toBeNull();
    }
  });

  it('takes a new one from its file, and tells those who came with the old', async () => {
    put(tokenFile, 'old\n');
    const { access, clock } = open({ token: 'old', tokenFile });
    const old = bearer(access, 'old');
    const revoked = vi.fn();
    access.onRevoked(revoked);
    put(tokenFile, 'new\n');
    await until(clock, () => bearer(access, 'new') !== null);
    expect(bearer(access, 'old')).toBeNull();
    expect(revoked.mock.calls).toEqual([[old]]);
    expect(revoked.mock.calls[0]?.[0]).toBe(old);
    access.close();
  });
});

describe('a service with a file of tokens', () => {
  it('knows whose each token is, and what the owner may have', () => {
    put(tokensFile, TOKENS);
    const { access } = open({ token: 'fleet', tokensFile });
    expect(bearer(access, 'ann-token')).toEqual({ name: 'ann', owner: 'vision', role: 'trainer' });
    expect(bearer(access, 'bob-token')).toEqual({ name: 'bob', owner: 'speech', role: 'operator' });
    expect(bearer(access, 'root-token')).toEqual({ name: 'root', owner: '*', role: 'operator' });
    expect(bearer(access, 'fleet')).toEqual({ name: 'fleet', owner: '*', role: 'service' });
    expect(bearer(access, sha256('ann-token'))).toBeNull();
    expect(access.limitsOf('vision')).toMatchObject({ roots: [['/data/vision']], maxRuns: 3, weight: 2 });
    expect(access.limitsOf('speech')).toMatchObject({ roots: [[]], maxRuns: null, weight: 1 });
    expect(access.limitsOf('nobody')).toMatchObject({ weight: 1 });
    access.close();
  });

  it('bounds what specs may name by the service, and then by the owner', () => {
    put(tokensFile, TOKENS);
    const roots = ['s3://data/'];
    const levels = (more: Partial<ServerSecurity>, owner: string) => {
      const { access } = open(more);
      access.close();
      return access.limitsOf(owner).roots;
    };
    expect(levels({ token: 'fleet', tokensFile, roots }, 'vision')).toEqual([['/data/vision'], roots]);
    expect(levels({ token: 'fleet', tokensFile, roots }, 'speech')).toEqual([roots]);
    expect(levels({ token: 'one', roots }, 'default')).toEqual([roots]);
    expect(levels({ roots }, 'default')).toEqual([roots]);
    expect(levels({ token: 'one' }, 'default')).toEqual([]);
  });

  it('forgets a token that was taken out, and leaves the others as they were', async () => {
    put(tokensFile, TOKENS);
    const { access, clock, log } = open({ token: 'fleet', tokensFile });
    const [ann, bob] = [bearer(access, 'ann-token'), bearer(access, 'bob-token')];
    const revoked = vi.fn();
    access.onRevoked(revoked);
    const stopped = vi.fn();
    access.onRevoked(stopped)();
    put(tokensFile, TOKENS.replace(entry('ann', 'trainer', 'vision'), entry('cleo', 'trainer', 'vision')));
    await until(clock, () => bearer(access, 'ann-token') === null);
    expect(bearer(access, 'cleo-token')).toMatchObject({ name: 'cleo' });
    expect(bearer(access, 'bob-token')).toBe(bob);
    expect(revoked.mock.calls).toEqual([[ann]]);
    expect(stopped).not.toHaveBeenCalled();
    expect(JSON.stringify(log.info.mock.calls)).toContain('"revoked":["ann"]');
    expect(JSON.stringify(log.info.mock.calls)).not.toContain(sha256('ann-token'));
    access.close();
  });

  it('ends what a token of another role or owner had begun, and takes new limits at once', async () => {
    put(tokensFile, TOKENS);
    const { access, clock } = open({ token: 'fleet', tokensFile });
    const ann = bearer(access, 'ann-token');
    const revoked = vi.fn();
    access.onRevoked(revoked);
    put(tokensFile, TOKENS.replace('role: trainer', 'role: operator').replace('max_runs: 3', 'max_runs: 1'));
    await until(clock, () => bearer(access, 'ann-token')?.role === 'operator');
    expect(revoked.mock.calls).toEqual([[ann]]);
    expect(access.limitsOf('vision').maxRuns).toBe(1);
    access.close();
  });

  it('keeps what it knew of a file that is broken or gone, says so once, and takes the next good one', async () => {
    put(tokensFile, TOKENS);
    const { access, clock, log } = open({ token: 'fleet', tokensFile });
    put(tokensFile, `${TOKENS}  - { name: no-hash }\n`);
    await until(clock, () => log.error.mock.calls.length === 1);
    rmSync(tokensFile);
    await until(clock, () => log.error.mock.calls.length === 2);
    for (let i = 0; i < 5; i++) await clock.advance(1_000);
    expect(log.error).toHaveBeenCalledTimes(2);
    expect(String(log.error.mock.calls[0]?.[0].err)).toContain('tokens.3');
    expect(bearer(access, 'ann-token')).not.toBeNull();
    put(tokensFile, OWNERS + entry('bob', 'operator', 'speech'));
    await until(clock, () => bearer(access, 'ann-token') === null);
    access.close();
  });

  it('follows the links that Kubernetes replaces', async () => {
    const [one, two, link] = [join(folder, 'one'), join(folder, 'two'), join(folder, 'link')];
    put(one, TOKENS);
    put(two, OWNERS + entry('cleo', 'trainer', 'vision'));
    symlinkSync(one, link);
    const { access, clock } = open({ token: 'fleet', tokensFile: link });
    symlinkSync(two, `${link}.new`);
    renameSync(`${link}.new`, link);
    await until(clock, () => bearer(access, 'cleo-token') !== null);
    expect(bearer(access, 'ann-token')).toBeNull();
    access.close();
  });

  const hash = sha256('x');
  it.each([
    ['tokens: [', 'tokens.yaml" ('],
    ['- a list', 'the file: '],
    ['owners: {}', 'tokens: '],
    ['tokens: []\nextra: 1', 'extra'],
    [`tokens: [{ name: a, role: trainer, sha256: short, owner: a }]`, 'tokens.0.sha256: '],
    [`tokens: [{ name: a, role: god, sha256: ${hash} }]`, 'tokens.0.role: '],
    [`tokens: [{ name: a, role: trainer, sha256: ${hash} }]`, "a trainer's token belongs to one owner"],
    [`tokens: [{ name: a, role: trainer, sha256: ${hash}, owner: b }]`, '"b" is none of `owners`'],
    [`owners: { b: }\ntokens: [{ name: a, role: service, sha256: ${hash}, owner: b }]`, 'leave it out'],
    [
      `tokens: [{ name: a, role: service, sha256: ${hash} }, { name: b, role: service, sha256: ${hash} }]`,
      'tokens.1.sha256',
    ],
    [
      `tokens: [{ name: a, role: service, sha256: ${hash} }, { name: a, role: service, sha256: ${sha256('y')} }]`,
      'tokens.1.name',
    ],
    ['owners: { "UP": }\ntokens: []', 'owners.UP'],
    ['owners: { a: { weight: 0 } }\ntokens: []', 'owners.a.weight'],
    ['owners: { a: { roots: [data] } }\ntokens: []', 'owners.a.roots.0'],
    ['owners: { a: { max_runs: 1.5 } }\ntokens: []', 'owners.a.max_runs'],
    ['owners: &a { b: }\nx: *a\ntokens: []', 'Alias'],
  ])('does not start on %s', (text, message) => {
    put(tokensFile, text);
    let told = '';
    try {
      open({ token: 'fleet', tokensFile });
    } catch (error) {
      told = (error as Error).message;
    }
    expect(told).toContain('CROPSTREAM_TOKENS_FILE');
    expect(told).toContain(message);
    expect(told).not.toContain(hash);
  });
});

describe('a new token', () => {
  it('is let in by its entry, and unlike any other', () => {
    const { token, entry, yaml } = newToken({ name: 'ann', role: 'trainer', owner: 'vision' });
    put(tokensFile, `owners: { vision: }\ntokens:\n${yaml}`);
    const { access } = open({ token: 'fleet', tokensFile });
    expect(bearer(access, token)).toEqual({ name: 'ann', role: 'trainer', owner: 'vision' });
    access.close();
    expect(JSON.stringify(entry)).not.toContain(token);
    expect(newToken({ name: 'ann', role: 'operator' }).token).not.toBe(token);
    expect(newToken({ name: 'root', role: 'operator' }).yaml).not.toContain('owner');
  });

  it.each([
    [{ name: 'a b', role: 'trainer', owner: 'a' }, '--name'],
    [{ name: 'a', role: 'god', owner: 'a' }, '--role'],
    [{ name: 'a', role: 'trainer', owner: 'A' }, '--owner'],
    [{ name: 'a', role: 'trainer' }, '--owner'],
    [{ name: 'a', role: 'service', owner: 'a' }, '--owner'],
  ])('is not made of %o', (given, field) => {
    expect(() => newToken(given)).toThrow(field);
  });
});
