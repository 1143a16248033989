import { MessageChannel, Worker } from 'node:worker_threads';
import { systemClock } from '@cropstream/runtime';
import { VirtualClock } from '@cropstream/runtime/testing';
import { describe, expect, it } from 'vitest';
import { brokerContract, exampleJob, exampleRun, exampleWorker, storeContract } from '../contract/index.js';
import {
  connectBroker,
  connectStore,
  exposeBroker,
  exposeStore,
  MemoryBroker,
  MemoryStore,
} from '../index.js';

function brokerAcross(clock = new VirtualClock(), lockMs = 5_000) {
  const { port1, port2 } = new MessageChannel();
  const behind = new MemoryBroker({ clock, lockMs });
  exposeBroker(port1, behind);
  return { behind, broker: connectBroker(port2), clock, port1 };
}

function storeAcross(clock = new VirtualClock()) {
  const { port1, port2 } = new MessageChannel();
  const behind = new MemoryStore({ clock, idleMs: 3_600_000 });
  exposeStore(port1, behind);
  return { behind, store: connectStore(port2), clock, port1 };
}

describe('a broker in another thread', () => {
  brokerContract(async () => {
    const { broker, clock } = brokerAcross();
    return {
      broker,
      lockMs: 5_000,
      other: async () => ({ broker, vanish: async () => undefined }),
      async advance(ms) {
        // Calls arrive in order: once this one is answered, those before it are on their way.
        await broker.counts('any');
        await clock.advance(ms);
      },
      end: () => broker.close(),
    };
  });

  it('takes unfinished jobs back when a thread dies, ahead of others', async () => {
    const behind = new MemoryBroker({ clock: systemClock });
    const { port1, port2 } = new MessageChannel();
    exposeBroker(port1, behind);
    await behind.add('q', [exampleJob(0), exampleJob(2), exampleJob(4)]);
    const index = new URL('../../dist/index.js', import.meta.url).href;
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
       import(${JSON.stringify(index)}).then(async ({ connectBroker }) => {
         const broker = connectBroker(workerData);
         const done = await broker.take('q', 'cell', 1000);
         await broker.take('q', 'cell', 1000);
         await broker.finish('q', done.id, 'cell');
         process.exit();
       });`,
      { eval: true, workerData: port2, transferList: [port2] },
    );
    const died = new Promise((resolve) => worker.once('exit', resolve));
    await Promise.all([died, new Promise((resolve) => port1.once('close', resolve))]);
    expect((await behind.take('q', 'other', 10_000))?.first).toBe(2);
    expect((await behind.take('q', 'other', 10_000))?.first).toBe(4);
    expect(await behind.counts('q')).toEqual({ waiting: 0, active: 2 });
  });

  it('gives back a job that comes when its taker has gone', async () => {
    const { behind, broker, port1 } = brokerAcross();
    const waiting = broker.take('q', 'w1', 60_000);
    await broker.counts('q');
    const gone = new Promise((resolve) => port1.once('close', resolve));
    await Promise.all([
      broker.close(),
      gone,
      expect(waiting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' }),
    ]);
    await behind.add('q', [exampleJob(0)]);
    expect((await behind.take('q', 'w2', 1_000))?.first).toBe(0);
  });
});

describe('a store in another thread', () => {
  storeContract(async () => {
    const { store, clock } = storeAcross();
    return {
      store,
      idleMs: 3_600_000,
      async advance(ms) {
        await store.runs();
        await clock.advance(ms);
        await store.runs();
      },
      end: () => store.close(),
    };
  });

  it('hands over manifests without a copy', async () => {
    const { behind, store } = storeAcross();
    await store.putManifest('m', new Uint8Array([1, 2, 3]));
    const near = (await behind.manifest('m')) as Uint8Array;
    const far = (await store.manifest('m')) as Uint8Array;
    expect(far.buffer).toBeInstanceOf(SharedArrayBuffer);
    near[0] = 9;
    expect([...far]).toEqual([9, 2, 3]);
    await store.close();
  });

  it('carries errors whole', async () => {
    const { store } = storeAcross();
    await store.openRun(exampleRun());
    const thrown = await store.claim('o1.lost', '0-0-4', 1).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'RUN_NOT_FOUND', details: { run: 'o1.lost', known: 'one' } });
    expect(thrown).toBeInstanceOf(Error);
    await store.close();
  });

  it('fails what is called once the port is closed, at either end', async () => {
    const { store, port1 } = storeAcross();
    await store.beat(exampleWorker(), 1_000);
    const pending = store.workers();
    port1.close();
    await expect(pending.then(() => store.workers())).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await store.close();
    store.onWake('t', () => expect.unreachable())();
  });
});
