import type { ChunkJob } from '@cropstream/broker';
import { exampleWorker } from '@cropstream/broker/contract';
import { beforeEach, describe, expect, test } from 'vitest';
import { useFixture } from '../test-support/fixture.js';
import { progressOf, silent, type Trainer, type Worker } from '../test-support/parts.js';
import type { OpenRun } from './open-run.js';

const f = useFixture();

let run: OpenRun;
let trainer: Trainer;
let slow: Worker;
/** The chunk that `slow` has begun and does not end. */
let job: ChunkJob;
let counts: { hedged: number; won: number };

/** A run whose chunks are usually made at once, and one of them not. */
beforeEach(async () => {
  counts = { hedged: 0, won: 0 };
  f.current.observer = { ...silent, hedged: () => counts.hedged++, hedgeWon: () => counts.won++ };
  f.current.coordinator = f.current.newCoordinator('c1');
  run = await f.current.open('run');
  slow = f.current.worker('slow');
  trainer = await f.current.attach(run, {}, 12);
  for (let made = 0; made < 5; made += (await slow.makeAll()).length) await f.current.clock.advance(0);
  await f.current.clock.advance(0);
  trainer.progress(6, 2, []);
  await f.current.clock.advance(0);
  job = (await slow.take()) as ChunkJob;
  await slow.begin(job);
});

/** Makes all that is in the queue but the late chunk. */
async function makeOthers(worker: Worker): Promise<void> {
  const others = await worker.makeAll();
  expect(others.some(({ first }) => first === job.first)).toBe(false);
}

const hedgeOf = async () => (await f.current.store.outstanding(run.key))[0]?.hedge ?? null;

describe('a chunk that is late', () => {
  test('is made by another worker, and whoever is first wins', async () => {
    const quick = f.current.worker('quick');
    await makeOthers(quick);
    await f.current.clock.advance(3_000);
    const [hedge] = await quick.makeAll();
    expect(hedge).toMatchObject({ first: job.first, attempt: job.attempt + 1, urgent: true });
    await f.current.clock.advance(0);
    expect(trainer.ready.at(-1)).toMatchObject({ attempt: hedge?.attempt, location: { workerId: 'quick' } });
    expect(await slow.publish(job)).toBe(false);
    expect(counts).toEqual({ hedged: 1, won: 1 });
  });

  test('is had from its first maker where that is sooner', async () => {
    const quick = f.current.worker('quick');
    await makeOthers(quick);
    await f.current.clock.advance(3_000);
    const hedge = (await quick.take()) as ChunkJob;
    await quick.begin(hedge);
    expect(await slow.publish(job)).toBe(true);
    expect(await quick.publish(hedge)).toBe(false);
    expect(counts).toEqual({ hedged: 1, won: 0 });
  });

  test('is hedged once by two coordinators', async () => {
    const second = f.current.newCoordinator('c2');
    const first = f.current.coordinator;
    f.current.coordinator = second;
    await f.current.attach(run, { consumer: 'other', progress: progressOf(6, 2) });
    const quick = f.current.worker('quick');
    await makeOthers(quick);
    await f.current.clock.advance(5_000);
    expect(await quick.makeAll()).toHaveLength(1);
    expect(counts.hedged).toBe(1);
    f.current.coordinator = first;
    await second.stop();
  });

  test('is left alone where no other worker lives, until one does', async () => {
    await makeOthers(slow);
    await f.current.clock.advance(10_000);
    expect(await hedgeOf()).toBeNull();
    f.current.worker('quick');
    await f.current.clock.advance(2_000);
    expect(await hedgeOf()).not.toBeNull();
  });

  test('is left alone while there is something else to make', async () => {
    f.current.worker('quick');
    await f.current.clock.advance(10_000);
    expect(await hedgeOf()).toBeNull();
  });

  test('is left alone by workers of another pixel fingerprint', async () => {
    await f.current.store.beat(
      exampleWorker({ id: 'other', address: 'other:1', fingerprint: 'another' }),
      60_000,
    );
    await makeOthers(slow);
    await f.current.clock.advance(10_000);
    expect(await hedgeOf()).toBeNull();
  });

  test('goes on with its hedge where its maker dies', async () => {
    const quick = f.current.worker('quick');
    await makeOthers(quick);
    await f.current.clock.advance(3_000);
    const hedge = (await quick.take()) as ChunkJob;
    await quick.begin(hedge);
    slow.alive = false;
    await f.current.clock.advance(3_000);
    expect(await f.current.store.outstanding(run.key)).toMatchObject([
      { attempt: hedge.attempt, takenBy: 'quick', deaths: 1, hedge: null },
    ]);
    expect(await quick.publish(hedge)).toBe(true);
  });

  test("counts no death for its hedge's maker, and gets another hedge", async () => {
    const quick = f.current.worker('quick');
    await makeOthers(quick);
    await f.current.clock.advance(3_000);
    await quick.begin((await quick.take()) as ChunkJob);
    quick.alive = false;
    // Enough claims for one more.
    for (let i = 0; i < 20; i++) await f.current.store.claim(run.key, `9-${i}-${i + 1}`, 1_000);
    const third = f.current.worker('third');
    await f.current.clock.advance(4_000);
    expect(await f.current.store.outstanding(run.key)).toContainEqual(
      expect.objectContaining({ takenBy: 'slow', deaths: 0, hedge: expect.anything() }),
    );
    expect(await third.makeAll()).toMatchObject([{ first: job.first, attempt: job.attempt + 2 }]);
  });

  test('gets the job of its hedge again where that is lost', async () => {
    const quick = f.current.worker('quick');
    await makeOthers(quick);
    await f.current.clock.advance(1_500);
    const lost = (await quick.take()) as ChunkJob;
    await f.current.broker.finish(run.fingerprint, lost.id, 'quick');
    await f.current.clock.advance(2_500);
    expect(await quick.makeAll()).toEqual([lost]);
  });
});

test('where little is known of a run its chunks are given more time', async () => {
  const other = await f.current.open('other', { seed: 2 });
  await makeOthers(slow);
  await slow.publish(job);
  await f.current.attach(other, { consumer: 'new' }, 2);
  const first = (await slow.take()) as ChunkJob;
  await slow.begin(first);
  await slow.makeAll();
  f.current.worker('quick');
  await f.current.clock.advance(10_000);
  expect((await f.current.store.outstanding(other.key))[0]?.hedge).toBeNull();
  await f.current.clock.advance(8_000);
  expect((await f.current.store.outstanding(other.key))[0]?.hedge).not.toBeNull();
});
