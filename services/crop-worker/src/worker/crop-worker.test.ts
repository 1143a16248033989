import { jobId, type MemoryStore, type WorkerRecord } from '@cropstream/broker';
import { exampleAttachment, exampleWorker } from '@cropstream/broker/contract';
import { failure } from '@cropstream/errors';
import { sleep } from '@cropstream/runtime';
import { describe, expect, it } from 'vitest';
import { fakeChunk } from '../../test-support/chunks.js';
import { CHUNK_BYTES, FINGERPRINT, type Fleet, nameOf, RUN, startFleet } from '../../test-support/fleet.js';

/** Runs virtual time until a step's chunk is in this state. */
async function until(fleet: Fleet, step: number, state: string): Promise<void> {
  for (let left = 200; (await fleet.state(step)).state !== state; left--) {
    if (left === 0) throw new Error(`step ${step} is ${(await fleet.state(step)).state}, not ${state}`);
    await fleet.clock.advance(50);
  }
}

/** Makes a chunk when it is told that it is done. */
function pausingMaker() {
  let made = () => {};
  return {
    done: () => made(),
    async make() {
      await new Promise<void>((resolve) => {
        made = resolve;
      });
      return fakeChunk(CHUNK_BYTES);
    },
  };
}

const idle = async (fleet: Fleet) => (await fleet.broker.counts(FINGERPRINT)).active === 0;

/** Closes a worker whose clock stands still. */
async function close(fleet: Fleet): Promise<void> {
  const closed = fleet.worker.close();
  await fleet.clock.advance(5_000);
  await closed;
}

describe('CropWorker', () => {
  it('makes a job, publishes where it is, and ends the job', async () => {
    const fleet = await startFleet();
    let wakes = 0;
    fleet.store.onWake('coordinators', () => wakes++);
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    expect(await fleet.state(0)).toMatchObject({
      ready: { chunk: nameOf(0), attempt: 1, workerId: 'worker-1', address: 'host:1', bytes: CHUNK_BYTES },
    });
    await fleet.clock.advance(0);
    expect(wakes).toBeGreaterThan(0);
    expect(await idle(fleet)).toBe(true);
    expect(await fleet.store.workers()).toMatchObject([{ id: 'worker-1', fingerprint: FINGERPRINT }]);
    expect(fleet.worker.outbox.get(RUN, nameOf(0))).not.toBeNull();
    await close(fleet);
    expect(await fleet.store.workers()).toEqual([]);
    expect(fleet.worker.outbox.usedBytes).toBe(0);
  });

  it('skips what nobody wants, and says so to the store', async () => {
    const fleet = await startFleet();
    await fleet.want(50, 60);
    await fleet.queue(0);
    await until(fleet, 0, 'none');
    expect(await idle(fleet)).toBe(true);
    expect(fleet.made()).toBe(0);
    expect(fleet.events).toContainEqual({ kind: 'skipped', reason: 'unwanted' });
    await close(fleet);
  });

  it('logs that the store is away once of each thing that fails, and that it is back', async () => {
    const lines: string[] = [];
    const log = { debug() {}, info: note, warn: note, error: note };
    function note(_: object, message: string) {
      lines.push(message);
    }
    let away = false;
    const failing = (store: MemoryStore) =>
      new Proxy(store, {
        get(target, name) {
          const method = Reflect.get(target, name);
          if (typeof method !== 'function') return method;
          return (...args: unknown[]) => {
            if (away) throw failure('STORE_UNAVAILABLE', { target: 'redis', reason: 'away' });
            return method.apply(target, args);
          };
        },
      });
    const fleet = await startFleet({ log, seen: failing });
    away = true;
    await fleet.clock.advance(60_000);
    expect(lines.sort()).toEqual(['beats are not heard', 'it cannot be learnt which chunks are wanted']);
    away = false;
    await fleet.clock.advance(5_000);
    expect(lines.filter((line) => line.startsWith('over: '))).toHaveLength(2);
    await close(fleet);
  });

  it('tells with each beat what it has made', async () => {
    const fleet = await startFleet({
      async make() {
        await sleep(fleet.clock, 250);
        return fakeChunk(CHUNK_BYTES);
      },
    });
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    await fleet.clock.advance(1_000);
    const [{ made }] = (await fleet.store.workers()) as [WorkerRecord];
    expect(made).toMatchObject({ samples: 1, chunks: 1, bytes: CHUNK_BYTES, busySeconds: 0.25 });
    expect(made.runs).toEqual({ [RUN]: { samples: 1, busySeconds: 0.25, substituted: 0, failures: 0 } });
    await close(fleet);
  });

  it('skips an attempt that another worker began or that was superseded', async () => {
    const fleet = await startFleet();
    const job = await fleet.queue(0);
    await fleet.store.release(RUN, nameOf(0), job.attempt, 'abandoned');
    await fleet.clock.advance(100);
    expect(await idle(fleet)).toBe(true);
    expect(fleet.made()).toBe(0);
    expect(fleet.events).toContainEqual({ kind: 'skipped', reason: 'superseded' });
    await close(fleet);
  });

  it('drops its copy when another was first', async () => {
    const fleet = await startFleet({
      async make() {
        const ready = { workerId: 'worker-2', address: 'host:2', tlsName: '', bytes: CHUNK_BYTES };
        await fleet.store.beat(exampleWorker({ id: 'worker-2', address: 'host:2' }), 3_600_000);
        await fleet.store.publish(RUN, { chunk: nameOf(0), attempt: 1, ...ready });
        return fakeChunk(CHUNK_BYTES);
      },
    });
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    await fleet.clock.advance(100);
    expect(await fleet.state(0)).toMatchObject({ ready: { workerId: 'worker-2' } });
    expect(fleet.worker.outbox.size).toBe(0);
    expect(fleet.events).toContainEqual({ kind: 'dropped', reason: 'lost' });
    await close(fleet);
  });

  it.each([
    failure('SAMPLE_UNDECODABLE', { path: 'cat.jpg', reason: 'it ends too early' }),
    failure('DATASET_CHANGED', { path: 'cat.jpg', change: 'is gone' }),
    failure('NO_GOOD_SAMPLE', { probes: 64, path: 'cat.jpg', reason: 'it ends too early' }),
    failure('CHUNK_TOO_LARGE', { bytes: 2, limit: 1 }),
  ])(
    'fails a chunk for good at once, with its own error, where no worker could make it: $code',
    async (error) => {
      const fleet = await startFleet({
        async make() {
          throw error;
        },
      });
      let wakes = 0;
      fleet.store.onWake('coordinators', () => wakes++);
      await fleet.queue(0);
      await until(fleet, 0, 'failed');
      const state = await fleet.state(0);
      if (state.state !== 'failed') throw new Error('not failed');
      expect(JSON.parse(state.failed.errorJson)).toEqual(error.toWire());
      await fleet.clock.advance(0);
      expect(wakes).toBeGreaterThan(0);
      expect(await idle(fleet)).toBe(true);
      expect(fleet.worker.outbox.size).toBe(0);
      await close(fleet);
    },
  );

  it('fails a chunk for good at the third failure where trying again might have helped', async () => {
    const fleet = await startFleet({
      async make() {
        throw failure('SAMPLE_IO', { path: 'cat.jpg', reason: 'EIO' });
      },
    });
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect((await fleet.state(0)).state).toBe('none');
      await fleet.queue(0);
      await until(fleet, 0, attempt < 3 ? 'none' : 'failed');
      expect(await idle(fleet)).toBe(true);
    }
    const state = await fleet.state(0);
    if (state.state !== 'failed') throw new Error('not failed');
    expect(JSON.parse(state.failed.errorJson)).toMatchObject({
      code: 'CHUNK_FAILED',
      problem: 'chunk 0-0-4 failed 3 times, last: reading cat.jpg failed: EIO',
      details: { attempts: 3 },
    });
    expect(fleet.worker.outbox.size).toBe(0);
    await close(fleet);
  });

  it('drops held chunks once the trainers have gone past them, retracting their records', async () => {
    const fleet = await startFleet();
    await fleet.queue(0);
    await fleet.queue(1);
    await until(fleet, 1, 'ready');
    await fleet.want(1, 10);
    await until(fleet, 0, 'none');
    expect((await fleet.state(1)).state).toBe('ready');
    expect(fleet.worker.outbox.size).toBe(1);
    expect(fleet.events).toContainEqual({ kind: 'dropped', reason: 'unwanted' });
    await close(fleet);
  });

  it('drops what it holds of a run that was closed, opened again and wanted by nobody since', async () => {
    const fleet = await startFleet();
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    const [run] = await fleet.store.runs();
    if (run === undefined) throw new Error('no run');
    await fleet.store.closeRun(run.owner, run.name);
    await fleet.clock.advance(600);
    await fleet.store.openRun(run);
    await fleet.clock.advance(5_000);
    expect(fleet.worker.outbox.size).toBe(0);
    await close(fleet);
  });

  it('stops making what nobody wants any more', async () => {
    const fleet = await startFleet({
      make: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(failure('CANCELLED', { what: 'making' })));
        }),
    });
    await fleet.queue(0);
    await fleet.clock.advance(100);
    expect(await fleet.state(0)).toMatchObject({ outstanding: { takenBy: 'worker-1' } });
    await fleet.want(1, 10);
    await until(fleet, 0, 'none');
    expect(await idle(fleet)).toBe(true);
    await close(fleet);
  });

  it('takes no job without room for its result, and goes on when there is', async () => {
    const fleet = await startFleet({ limits: { outboxBytes: 3 * CHUNK_BYTES } });
    for (let step = 0; step < 6; step++) await fleet.queue(step);
    await fleet.clock.advance(3_000);
    expect(fleet.made()).toBe(3);
    expect(await fleet.broker.counts(FINGERPRINT)).toEqual({ waiting: 3, active: 0 });
    fleet.fetch(0);
    await until(fleet, 3, 'ready');
    expect((await fleet.state(0)).state).toBe('none');
    expect(fleet.worker.outbox.usedBytes).toBeLessThanOrEqual(3 * CHUNK_BYTES);
    await close(fleet);
  });

  it('announces again what it still holds when its record was lost', async () => {
    const fleet = await startFleet();
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    await fleet.store.retract(RUN, nameOf(0), 'worker-1', 1);
    const { attempt } = await fleet.queue(0);
    await until(fleet, 0, 'ready');
    expect(await fleet.state(0)).toMatchObject({ ready: { attempt } });
    expect(fleet.made()).toBe(1);
    await close(fleet);
  });

  it('makes room by what nobody has fetched for long: its trainer hangs, or has it from elsewhere', async () => {
    const fleet = await startFleet({ limits: { outboxBytes: 2 * CHUNK_BYTES, unfetchedMs: 5_000 } });
    for (let step = 0; step < 3; step++) await fleet.queue(step);
    await fleet.clock.advance(4_000);
    expect((await fleet.state(2)).state).toBe('outstanding');
    await until(fleet, 2, 'ready');
    expect((await fleet.state(0)).state).toBe('none');
    await close(fleet);
  });

  it('says that it has a chunk in hand before it has opened the run, which may take long', async () => {
    let open = () => {};
    const opening = new Promise<void>((resolve) => {
      open = resolve;
    });
    const fleet = await startFleet({ opening });
    await fleet.queue(0);
    await fleet.clock.advance(1_000);
    expect(await fleet.state(0)).toMatchObject({ outstanding: { takenBy: 'worker-1' } });
    open();
    await until(fleet, 0, 'ready');
    await close(fleet);
  });

  it('gives up what the store says it makes and it does not', async () => {
    const fleet = await startFleet();
    await fleet.want(0, 10);
    const claim = await fleet.store.claim(RUN, nameOf(0), 1_000);
    if (!('claimed' in claim)) throw new Error('not claimed');
    // As a store that lost its last second says of a job that ended in it.
    await fleet.store.begin(RUN, nameOf(0), claim.claimed.attempt, 'worker-1');
    await until(fleet, 0, 'none');
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    await close(fleet);
  });

  it('passes on the hedge of a chunk that it is late with itself', async () => {
    const { make, done } = pausingMaker();
    const fleet = await startFleet({ limits: { jobs: 2 }, make });
    const job = await fleet.queue(0);
    await fleet.clock.advance(100);
    const attempt = (await fleet.store.hedge(RUN, nameOf(0), job.attempt, 100))!;
    const hedge = { ...job, attempt, id: jobId(RUN, nameOf(0), attempt) };
    await fleet.broker.add(FINGERPRINT, [hedge]);
    await fleet.clock.advance(1_000);
    expect(fleet.made()).toBe(1);
    expect(await fleet.state(0)).toMatchObject({ outstanding: { hedge: { attempt, takenBy: null } } });
    const other = fleet.broker.take(FINGERPRINT, 'worker-2', 5_000);
    await fleet.clock.advance(1_000);
    expect(await other).toEqual(hedge);
    await fleet.store.release(RUN, nameOf(0), attempt, 'failure');
    await fleet.broker.finish(FINGERPRINT, hedge.id, 'worker-2');
    done();
    await until(fleet, 0, 'ready');
    expect(await idle(fleet)).toBe(true);
    await close(fleet);
  });

  it('publishes again what the store forgot that it has', async () => {
    const fleet = await startFleet();
    await fleet.want(0, 10);
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    await fleet.store.retract(RUN, nameOf(0), 'worker-1', 1);
    const claim = await fleet.store.claim(RUN, nameOf(0), 1_000);
    if (!('claimed' in claim)) throw new Error('not claimed');
    const { attempt } = claim.claimed;
    // As a store that lost its last second says of a chunk that was published in it.
    await fleet.store.begin(RUN, nameOf(0), attempt, 'worker-1');
    await until(fleet, 0, 'ready');
    expect(await fleet.state(0)).toMatchObject({ ready: { workerId: 'worker-1', attempt } });
    expect(fleet.made()).toBe(1);
    expect(fleet.worker.outbox.size).toBe(1);
    await close(fleet);
  });

  it('makes a job once though it gets it twice', async () => {
    const { make, done } = pausingMaker();
    const fleet = await startFleet({ limits: { jobs: 2 }, make });
    const job = await fleet.queue(0);
    await fleet.clock.advance(100);
    // Its lock is lost while it is being made.
    await fleet.broker.finish(FINGERPRINT, job.id, 'worker-1');
    await fleet.broker.add(FINGERPRINT, [job]);
    await fleet.clock.advance(1_000);
    expect(fleet.made()).toBe(1);
    done();
    await until(fleet, 0, 'ready');
    expect(await idle(fleet)).toBe(true);
    await close(fleet);
  });

  it('holds on to what it made while the store cannot be reached', async () => {
    let reachable = true;
    const fleet = await startFleet({
      seen: (store) =>
        new Proxy(store, {
          get(target, name) {
            const member = Reflect.get(target, name) as unknown;
            if (typeof member !== 'function') return member;
            return (...args: unknown[]) => {
              if (!reachable && name !== 'onWake') return Promise.reject(new Error('connection refused'));
              return Reflect.apply(member, target, args) as unknown;
            };
          },
        }),
      async make() {
        reachable = false;
        return fakeChunk(CHUNK_BYTES);
      },
    });
    await fleet.queue(0);
    await fleet.clock.advance(10_000);
    expect((await fleet.state(0)).state).toBe('outstanding');
    reachable = true;
    await until(fleet, 0, 'ready');
    expect(fleet.made()).toBe(1);
    await close(fleet);
  });

  it('takes nothing while its beats are not heard', async () => {
    let heard = true;
    const fleet = await startFleet({
      seen: (store) =>
        new Proxy(store, {
          get(target, name) {
            const member = Reflect.get(target, name) as unknown;
            if (name === 'beat' && !heard) return () => Promise.reject(new Error('connection refused'));
            return typeof member === 'function' ? member.bind(target) : member;
          },
        }),
    });
    heard = false;
    await fleet.clock.advance(5_000);
    await fleet.queue(0);
    await fleet.clock.advance(5_000);
    expect(fleet.made()).toBe(0);
    heard = true;
    await until(fleet, 0, 'ready');
    await close(fleet);
  });

  it("gives back what it was making when it closes, as nobody's failure", async () => {
    const fleet = await startFleet({
      make: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(failure('CANCELLED', { what: 'making' })));
        }),
    });
    await fleet.queue(0);
    await fleet.clock.advance(100);
    await close(fleet);
    expect((await fleet.state(0)).state).toBe('none');
    expect(await idle(fleet)).toBe(true);
    await fleet.queue(0);
    expect(await fleet.state(0)).toMatchObject({ outstanding: { failures: 0, deaths: 0 } });
  });

  it('holds a job back a while where its run has its share and another run needs the room', async () => {
    const fleet = await startFleet({ limits: { outboxBytes: 4 * CHUNK_BYTES } });
    const other = 'e'.repeat(64);
    const run = {
      owner: 'o1',
      name: 'other',
      digest: other,
      specJson: '{}',
      manifestDigest: 'm',
      chunkSize: 4,
      fingerprint: FINGERPRINT,
    };
    await fleet.store.openRun({ ...run, openedAt: 0, state: 'active' });
    const attachment = exampleAttachment({
      ...{ runKey: `o1.${other}`, runName: 'other', worldSize: 1, nextStep: 0, windowEnd: 100 },
    });
    await fleet.store.attach(attachment, 3_600_000, false);
    await fleet.clock.advance(1_000);
    for (let step = 0; step < 4; step++) await fleet.queue(step);
    await fleet.clock.advance(500);
    expect(fleet.made()).toBe(2);
    expect(await fleet.state(3)).toMatchObject({ outstanding: { takenBy: null } });
    await until(fleet, 3, 'none');
    expect(fleet.events).toContainEqual({ kind: 'skipped', reason: 'share' });
    expect(fleet.made()).toBe(2);
    expect(await idle(fleet)).toBe(true);
    await close(fleet);
  });

  it('makes what there is room for, though there is none for the largest chunk that another run may have', async () => {
    const bytes = 4 * CHUNK_BYTES;
    const fleet = await startFleet({ maxChunkBytes: bytes, limits: { outboxBytes: bytes } });
    // Of a run that is not known yet the largest is expected.
    for (let step = 0; step < 5; step++) await fleet.queue(step);
    await until(fleet, 0, 'ready');
    await fleet.clock.advance(1_000);
    expect(fleet.made()).toBe(1);
    fleet.fetch(0);
    await until(fleet, 4, 'ready');
    expect(fleet.worker.outbox.usedBytes).toBe(bytes);
    await close(fleet);
  });

  it('drains: takes no more, and waits until what it holds was fetched', async () => {
    const fleet = await startFleet();
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    let drained = false;
    const drain = fleet.worker.drain(60_000).then(() => {
      drained = true;
    });
    await fleet.queue(1);
    await fleet.clock.advance(2_000);
    expect(drained).toBe(false);
    expect(fleet.made()).toBe(1);
    expect((await fleet.state(0)).state).toBe('ready');
    fleet.fetch(0);
    await fleet.clock.advance(200);
    await drain;
    await close(fleet);
  });

  it('drains no longer than its grace', async () => {
    const fleet = await startFleet();
    await fleet.queue(0);
    await until(fleet, 0, 'ready');
    const drain = fleet.worker.drain(3_000);
    await fleet.clock.advance(3_100);
    await drain;
    await close(fleet);
    // Its chunks may be made again by others at once.
    expect((await fleet.state(0)).state).toBe('none');
  });
});
