import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { BullmqBroker, RedisStore } from '@cropstream/broker/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../../../scripts/certificates.mjs';
import { ask, startRedisSentinels } from '../../../scripts/redis.mjs';
import { insist } from './with-server.js';

const PASSWORD = 'not-for-the-log';
const RUN = {
  owner: 'o1',
  name: 'run',
  digest: 'a'.repeat(64),
  specJson: '{}',
  manifestDigest: 'm',
  chunkSize: 64,
  fingerprint: 'f',
  openedAt: 0,
  state: 'active' as const,
};

const folder = mkdtempSync(join(tmpdir(), 'cropstream-sentinel-'));
const pem = (name: string) => readFileSync(join(folder, name), 'utf8');

let redis: Awaited<ReturnType<typeof startRedisSentinels>>;
const access = (ca: string) => ({
  url: 'rediss://main',
  password: PASSWORD,
  sentinels: redis.ports.map((port) => ({ host: 'localhost', port })),
  sentinelPassword: PASSWORD,
  ca,
});

beforeAll(async () => {
  makeCertificates(folder);
  const [ca, cert, key] = ['ca.pem', 'service.pem', 'service.key'].map((name) => join(folder, name));
  redis = await startRedisSentinels({ password: PASSWORD, tls: { ca: ca!, cert: cert!, key: key! } });
});

afterAll(async () => {
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a fleet on a Redis that Sentinels watch, over TLS with an authority of its own', () => {
  it('goes on at the replica that becomes the master', async () => {
    const store = await RedisStore.open(access(pem('ca.pem')));
    const broker = await BullmqBroker.open(access(pem('ca.pem')));
    try {
      let heard = 0;
      store.onWake('topic', () => heard++);
      await store.openRun(RUN);
      // Until the replica has it, a death of the master would lose it.
      while (!(await ask(redis.replica.url, 'KEYS *', PASSWORD)).includes('runs')) await pass(20);
      await redis.master.kill();
      await insist(() => store.openRun(RUN));
      expect((await insist(() => store.runs())).map(({ name }) => name)).toEqual([RUN.name]);
      expect(await insist(() => broker.counts('f'))).toEqual({ waiting: 0, active: 0 });
      const before = heard;
      while (heard === before) {
        await insist(() => store.wake('topic'));
        await pass(20);
      }
      expect(await ask(redis.replica.url, 'ROLE', PASSWORD)).toContain('master');
    } finally {
      await broker.close();
      await store.close();
    }
  });

  it('refuses one whose certificate another authority signed', async () => {
    const foreign = readFileSync(join(folder, 'foreign', 'ca.pem'), 'utf8');
    await expect(RedisStore.open({ ...access(foreign), connectMs: 1_500 })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });
});
