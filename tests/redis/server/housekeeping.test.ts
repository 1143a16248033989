import { setTimeout as pass } from 'node:timers/promises';
import { chunkName } from '@cropstream/broker';
import { exampleAttachment, exampleReady, exampleRun, exampleWorker } from '@cropstream/broker/contract';
import { describe, expect } from 'vitest';
import { ask } from '../../../scripts/redis.mjs';
import { insist, withServer } from './with-server.js';

const first = (i: number) => chunkName({ epoch: 0, first: i, last: i + 1 });

describe.concurrent('RedisStore', () => {
  withServer('lets every key of its expire', async ({ server, openStore }) => {
    const store = await openStore();
    await store.openRun(exampleRun());
    await store.putManifest('m1', new Uint8Array(9 * 1024 * 1024));
    await store.beat(exampleWorker(), 60_000);
    await store.judge('w1', { admitted: true }, 60_000);
    for (const process of ['p1', 'p2']) {
      const attached = await store.attach(exampleAttachment({ process }), 60_000, true);
      if (!attached.ok) expect.unreachable();
      await store.renew({ ...exampleAttachment({ process }), fencing: attached.fencing }, 60_000);
      await store.detach({ ...exampleAttachment({ process }), fencing: attached.fencing });
    }
    for (let i = 0; i < 5; i++) await store.claim('o1.d1', first(i), 9);
    await store.begin('o1.d1', first(0), 1, 'w1');
    await store.publish('o1.d1', exampleReady(first(0), 1));
    await store.release('o1.d1', first(1), 1, 'death');
    await store.failChunk('o1.d1', first(2), '{}');
    await store.release('o1.d1', first(3), 1, 'abandoned');
    await store.outstanding('o1.d1');
    expect((await store.manifest('m1'))?.length).toBe(9 * 1024 * 1024);
    const lasting =
      "local keys = redis.call('KEYS', '*') local found = '' for _, key in ipairs(keys) do " +
      "if redis.call('PTTL', key) < 0 then found = found .. ' ' .. key end end return #keys .. ':' .. found";
    const [, keys] = (await ask(server.url, `EVAL "${lasting}" 0`)).split('\r\n');
    expect(keys).toMatch(/^\d\d:$/);
  });

  withServer('forgets in time what a gone worker held and nobody asks for', async (own) => {
    const store = await own.openStore();
    await store.openRun(exampleRun());
    await store.beat(exampleWorker(), 500);
    for (let i = 0; i < 40; i++) {
      await store.claim('o1.d1', first(i), 99);
      await store.publish('o1.d1', exampleReady(first(i), 1));
    }
    const left = () => ask(own.server.url, `HLEN {${own.prefix}:run:o1.d1}:ready`);
    expect(await left()).toBe(':40\r\n');
    await store.outstanding('o1.d1');
    expect(await left()).toBe(':40\r\n');
    await pass(700);
    await insist(async () => {
      await store.outstanding('o1.d1');
      expect(await left()).toBe(':0\r\n');
    });
  });
});
