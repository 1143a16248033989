import { VirtualClock } from '@cropstream/runtime/testing';
import { describe, expect, it } from 'vitest';
import { brokerContract, exampleJob, exampleRun, storeContract } from '../contract/index.js';
import { MemoryBroker, MemoryStore } from '../index.js';

describe('MemoryBroker', () => {
  brokerContract(async () => {
    const clock = new VirtualClock();
    const broker = new MemoryBroker({ clock, lockMs: 5_000 });
    return {
      broker,
      lockMs: 5_000,
      other: async () => ({ broker, vanish: async () => undefined }),
      advance: (ms) => clock.advance(ms),
      end: () => broker.close(),
    };
  });

  it('hands a stalled job to its former taker too where no other takes it', async () => {
    const clock = new VirtualClock();
    const broker = new MemoryBroker({ clock, lockMs: 5_000 });
    await broker.add('q', [exampleJob(0)]);
    await broker.take('q', 'only', 0);
    await clock.advance(6_000);
    const early = broker.take('q', 'only', 100);
    await clock.advance(100);
    expect(await early).toBeNull();
    await clock.advance(6_000);
    expect(await broker.take('q', 'only', 0)).toEqual(exampleJob(0));
  });

  it('refuses to grow without limit', async () => {
    const broker = new MemoryBroker({ clock: new VirtualClock() });
    const jobs = Array.from({ length: 70_000 }, (_, i) => exampleJob(2 * i));
    await expect(broker.add('q', jobs)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect((await broker.counts('q')).waiting).toBeLessThan(70_000);
  });
});

describe('MemoryStore', () => {
  storeContract(async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock, idleMs: 3_600_000 });
    return { store, idleMs: 3_600_000, advance: (ms) => clock.advance(ms), end: () => store.close() };
  });

  it('forgets failures and counts after a minute, so that a trainer started again gets another try', async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock });
    await store.openRun(exampleRun());
    await store.failChunk('o1.d1', '0-0-4', '{}');
    await store.claim('o1.d1', '0-4-8', 9);
    await store.release('o1.d1', '0-4-8', 1, 'death');
    await clock.advance(59_000);
    expect(await store.chunkStates('o1.d1', ['0-0-4'])).toMatchObject([{ state: 'failed' }]);
    await clock.advance(2_000);
    expect(await store.claim('o1.d1', '0-0-4', 9)).toHaveProperty('claimed');
    expect(await store.claim('o1.d1', '0-4-8', 9)).toMatchObject({ claimed: { deaths: 0 } });
  });

  it('merges the wakes of one turn', async () => {
    const store = new MemoryStore({ clock: new VirtualClock() });
    let heard = 0;
    store.onWake('t', () => heard++);
    await Promise.all([store.wake('t'), store.wake('t'), store.wake('t')]);
    expect(heard).toBe(1);
    await store.wake('t');
    await new Promise(setImmediate);
    expect(heard).toBe(2);
  });

  it('puts manifests into shared memory, once', async () => {
    const store = new MemoryStore({ clock: new VirtualClock() });
    await store.putManifest('m', new Uint8Array([1, 2, 3]));
    const first = await store.manifest('m');
    await store.putManifest('m', new Uint8Array([1, 2, 3]));
    expect(first?.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect((await store.manifest('m'))?.buffer).toBe(first?.buffer);
  });
});
