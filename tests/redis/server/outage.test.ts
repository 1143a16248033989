import { setTimeout as pass } from 'node:timers/promises';
import type { Store } from '@cropstream/broker';
import {
  exampleAttachment,
  exampleJob,
  exampleReady,
  exampleRun,
  exampleWorker,
} from '@cropstream/broker/contract';
import { RedisStore } from '@cropstream/broker/redis';
import { describe, expect } from 'vitest';
import { ask, type RedisServer } from '../../../scripts/redis.mjs';
import { insist, withServer } from './with-server.js';

const C = '0-0-4';
const unavailable = { code: 'STORE_UNAVAILABLE', retryable: true };
/** A command that waits for an answer fails after so long; one that fails at once takes less, on a busy machine too. */
const COMMAND_MS = 2_000;

async function restart(server: RedisServer, awayMs: number): Promise<void> {
  await server.written();
  await server.kill('SIGKILL');
  await pass(awayMs);
  await server.start();
}

describe.concurrent('RedisStore', () => {
  withServer(
    'fails at once while Redis is away, and goes on when it is back',
    async ({ server, openStore }) => {
      const store = await openStore();
      await store.openRun(exampleRun());
      await server.written();
      await server.kill();
      const before = performance.now();
      await expect(store.runs()).rejects.toMatchObject(unavailable);
      await expect(store.claim('o1.d1', C, 1)).rejects.toMatchObject(unavailable);
      await expect(store.wake('t')).rejects.toMatchObject(unavailable);
      expect(performance.now() - before).toBeLessThan(COMMAND_MS);
      await insist(async () => expect(store.isReady).toBe(false));
      await server.start();
      expect(await insist(() => store.runByName('o1', 'one'))).toEqual(exampleRun());
      expect(store.isReady).toBe(true);
    },
  );

  withServer('fails a command that is not answered', async ({ server, openStore }) => {
    const store = await openStore();
    server.signal('SIGSTOP');
    await expect(store.runs()).rejects.toMatchObject(unavailable);
    server.signal('SIGCONT');
    expect(await insist(() => store.runs())).toEqual([]);
  });

  withServer('says so when Redis is not there at all', async ({ server }) => {
    await server.kill();
    await expect(RedisStore.open({ url: server.url, connectMs: 300 })).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining(server.url),
    });
  });

  withServer('ends at once while Redis is away', async ({ server, openStore, openBroker }) => {
    const store = await openStore();
    store.onWake('t', () => undefined);
    const broker = await openBroker();
    await broker.take('q', 'w1', 50);
    const waiting = broker.take('q', 'w1', 60_000).catch(() => null);
    await server.kill();
    const before = performance.now();
    await Promise.all([store.close(), broker.close()]);
    expect(await waiting).toBeNull();
    expect(performance.now() - before).toBeLessThan(COMMAND_MS);
    await expect(store.runs()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  withServer(
    'keeps what it knew over a crash: runs, claims, ready chunks, fencing',
    async ({ server, openStore }) => {
      const store = await openStore();
      await store.openRun(exampleRun());
      await store.putManifest('m1', new Uint8Array([1, 2, 3]));
      const attached = await store.attach(exampleAttachment({ nextStep: 3 }), 60_000, false);
      if (!attached.ok) expect.unreachable();
      await store.beat(exampleWorker(), 60_000);
      await store.claim('o1.d1', C, 9);
      await store.publish('o1.d1', exampleReady(C, 1));
      await store.claim('o1.d1', '0-4-8', 9);
      await restart(server, 0);
      expect(await insist(() => store.chunkStates('o1.d1', [C, '0-4-8']))).toMatchObject([
        { state: 'ready' },
        { state: 'outstanding', outstanding: { attempt: 1 } },
      ]);
      expect(await store.manifest('m1')).toEqual(new Uint8Array([1, 2, 3]));
      expect(await store.cursor(exampleRun(), 'job', 0)).toBe(3);
      const again = await store.attach(exampleAttachment(), 60_000, false);
      expect(again).toMatchObject({ ok: true });
      expect(again.ok && again.fencing).toBeGreaterThan(attached.fencing);
    },
  );

  withServer(
    'declares nobody gone for a lease after an outage longer than every lease',
    async ({ server, openStore }) => {
      const [beat, lease] = [300, 4_000];
      const store = await openStore();
      await store.openRun(exampleRun());
      const living = exampleWorker();
      const dead = exampleWorker({ id: 'w2' });
      const attached = await store.attach(exampleAttachment(), lease, false);
      for (const [chunk, worker] of [
        [C, living],
        ['0-4-8', dead],
      ] as const) {
        await store.beat(worker, lease);
        await store.claim('o1.d1', chunk, 9);
        await store.publish('o1.d1', exampleReady(chunk, 1, worker.id));
      }
      const beats = keepBeating(store, living, beat, lease);
      await pass(500);
      const renewed = store.renew(
        { ...exampleAttachment(), fencing: attached.ok ? attached.fencing : 0 },
        lease,
      );
      const second = store.beat(dead, lease);
      await Promise.all([renewed, second]);
      await server.written();
      await store.beat(dead, lease);
      await server.kill();
      await pass(2 * lease);
      await server.start();
      const back = performance.now();
      const states = () => store.chunkStates('o1.d1', [C, '0-4-8']);
      // Whoever looks first, before any worker could beat again: a coordinator that was just started, say.
      const looks = await insist(() => Promise.all([states(), store.workers(), store.attachments('o1.d1')]));
      expect(performance.now() - back).toBeLessThan(lease);
      expect(looks[0]).toMatchObject([{ state: 'ready' }, { state: 'ready' }]);
      expect(looks[1].map(({ id }) => id).sort()).toEqual(['w1', 'w2']);
      expect(looks[2]).toHaveLength(1);
      // After that, only who beats lives.
      await pass(lease + 200);
      expect(await states()).toMatchObject([{ state: 'ready' }, { state: 'none' }]);
      expect((await store.workers()).map(({ id }) => id)).toEqual(['w1']);
      expect(await store.attachments('o1.d1')).toEqual([]);
      beats.stop();
    },
  );

  withServer(
    'notices a death as quickly as ever when Redis has been back for a while',
    async ({ server, openStore }) => {
      const store = await openStore();
      await store.beat(exampleWorker(), 60_000);
      await restart(server, 0);
      await insist(() => store.workers());
      await store.beat(exampleWorker({ id: 'w2' }), 400);
      await pass(600);
      expect((await store.workers()).map(({ id }) => id)).toEqual(['w1']);
    },
  );

  // While it loads, Redis foretells how long it still will: far too long where it was held up at the beginning.
  withServer(
    'goes on as soon as Redis has loaded what it knew',
    async ({ server, openStore }) => {
      const store = await openStore();
      await store.openRun(exampleRun());
      for (let i = 0; i < 400; i++) await store.putManifest(`m${i}`, new Uint8Array(4_000));
      // What it loads it does then not command by command, so that it answers in between.
      await ask(server.url, 'BGREWRITEAOF');
      await insist(async () =>
        expect(await ask(server.url, 'INFO persistence')).toMatch(/aof_base_size:\d{7}/),
      );
      await server.kill();
      const started = server.start();
      await insist(async () => expect(await ask(server.url, 'PING')).toContain('LOADING'));
      server.signal('SIGSTOP');
      await pass(2_100);
      server.signal('SIGCONT');
      await started;
      const back = performance.now();
      await insist(() => store.runs());
      expect(performance.now() - back).toBeLessThan(COMMAND_MS);
    },
    ['--key-load-delay', '3000', '--loading-process-events-interval-bytes', '2048', '--rdbcompression', 'no'],
  );

  withServer(
    'tells listeners of wakes that something may have been missed',
    async ({ server, openStore }) => {
      const store = await openStore();
      let heard = 0;
      store.onWake('t', () => heard++);
      await pass(100);
      expect(heard).toBe(0);
      await server.kill();
      await server.start();
      await insist(async () => expect(heard).toBeGreaterThan(0));
      const before = heard;
      await insist(() => store.wake('t'));
      await insist(async () => expect(heard).toBeGreaterThan(before));
    },
  );
});

describe.concurrent('BullmqBroker', () => {
  withServer(
    'fails at once while Redis is away, and hands out what was waiting when it is back',
    async ({ server, openBroker }) => {
      const broker = await openBroker();
      await broker.add('q', [exampleJob(0)]);
      await broker.take('other', 'w1', 50);
      const waiting = broker.take('other', 'w1', 60_000);
      waiting.catch(() => undefined);
      await server.written();
      await server.kill();
      await expect(waiting).rejects.toMatchObject(unavailable);
      await expect(broker.take('q', 'w1', 500)).rejects.toMatchObject(unavailable);
      await expect(broker.add('q', [exampleJob(2)])).rejects.toMatchObject(unavailable);
      await expect(broker.counts('never-used')).rejects.toMatchObject(unavailable);
      await server.start();
      expect((await insist(() => broker.take('q', 'w1', 1_000)))?.first).toBe(0);
      await insist(() => broker.add('q', [exampleJob(2)]));
      expect((await broker.take('q', 'w1', 1_000))?.first).toBe(2);
      expect(await broker.counts('never-used')).toEqual({ waiting: 0, active: 0 });
    },
  );

  withServer(
    'lets a taker go on with its job over an outage in which its lock ran out',
    async ({ server, openBroker }) => {
      const broker = await openBroker();
      await broker.add('q', [exampleJob(0), exampleJob(2)]);
      await broker.take('q', 'w1', 1_000);
      await broker.take('q', 'w1', 1_000);
      await restart(server, 1_500);
      // One is finished when its lock is gone, the other when the stalled check has put it back already.
      await insist(() => broker.finish('q', exampleJob(0).id, 'w1'));
      for (let i = 0; i < 12; i++) expect(await insist(() => broker.take('q', 'w1', 500))).toBeNull();
      await broker.finish('q', exampleJob(2).id, 'w1');
      expect(await broker.counts('q')).toEqual({ waiting: 0, active: 0 });
    },
  );
});

function keepBeating(store: Store, worker: ReturnType<typeof exampleWorker>, ms: number, lease: number) {
  const timer = setInterval(() => store.beat(worker, lease).catch(() => undefined), ms);
  return { stop: () => clearInterval(timer) };
}
