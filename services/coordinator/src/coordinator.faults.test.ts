import { chunkName, type RunRecord } from '@cropstream/broker';
import { failure } from '@cropstream/errors';
import { type ChunkReady, Nack_Reason } from '@cropstream/protocol';
import { describe, expect, test } from 'vitest';
import { spans, useFixture } from '../test-support/fixture.js';
import { FINGERPRINT, progressOf } from '../test-support/parts.js';

const f = useFixture();

describe('when something dies', () => {
  test('a chunk whose worker is gone is made again at once, ahead of others', async () => {
    const run = await f.current.open('run');
    const doomed = f.current.worker('doomed');
    const other = f.current.worker('other');
    const trainer = await f.current.attach(run);
    const job = await doomed.take();
    if (!job) throw new Error('no job');
    await doomed.begin(job);
    doomed.alive = false;
    await f.current.clock.advance(3000);
    const [first] = await other.makeAll();
    expect(first).toMatchObject({ first: job.first, attempt: 2, urgent: true, indices: job.indices });
    await f.current.clock.advance(0);
    expect(trainer.ready).toHaveLength(4);
    // A late completion of the lost attempt loses.
    expect(await doomed.publish(job)).toBe(false);
  });

  test('a ready chunk whose worker is gone is made again once its trainer misses it', async () => {
    const run = await f.current.open('run');
    const doomed = f.current.worker('doomed');
    const trainer = await f.current.attach(run);
    await doomed.makeAll();
    await f.current.clock.advance(0);
    doomed.alive = false;
    const other = f.current.worker('other');
    await f.current.clock.advance(3000);
    for (const ready of trainer.ready) trainer.nack(ready, Nack_Reason.UNREACHABLE);
    await f.current.clock.advance(0);
    expect((await other.makeAll()).map(({ attempt }) => attempt)).toEqual([2, 2, 2, 2]);
    await f.current.clock.advance(0);
    expect(trainer.ready.slice(-4).map(({ location }) => location?.workerId)).toEqual(Array(4).fill('other'));
  });

  test('a claim whose job is lost is queued again under the same id', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    await f.current.attach(run);
    const lost = (await f.current.store.outstanding(run.key)).map(
      ({ chunk, attempt }) => `${run.key}-${chunk}-${attempt}`,
    );
    await f.current.broker.remove(FINGERPRINT, lost);
    await f.current.clock.advance(4000);
    expect((await worker.makeAll()).map(({ id }) => id).sort()).toEqual(lost.sort());
  });

  test('a claim whose job a worker took in silence is given up for another', async () => {
    const run = await f.current.open('run');
    const silent = f.current.worker('silent');
    await f.current.attach(run, {}, 2);
    const jobs = [await silent.take(), await silent.take()];
    expect(await silent.take()).toBeNull();
    await f.current.clock.advance(6000);
    const again = await f.current.worker('other').makeAll();
    expect(again.map(({ first, attempt, urgent }) => ({ first, attempt, urgent }))).toEqual(
      jobs.map((job) => ({ first: job?.first, attempt: 2, urgent: true })),
    );
  });

  test('claims of what everybody was told of, left by a store that forgot the rest, hold nobody up', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    await worker.makeAll();
    await f.current.clock.advance(0);
    for (const chunk of ['0-0-4', '0-4-8', '0-8-12', '0-12-16']) {
      await f.current.store.retract(run.key, chunk, 'w1', 1);
      // Without a job, and as many as the share allows.
      await f.current.store.claim(run.key, chunk, 4);
    }
    trainer.progress(0, 8);
    for (let i = 0; i < 3; i++) {
      await f.current.clock.advance(4000);
      await worker.makeAll();
    }
    await f.current.clock.advance(0);
    expect(spans(trainer.ready)).toEqual(expect.arrayContaining(['0:16-20', '0:28-32']));
  });

  test('what a trainer has fetched is not made again because its worker dropped it', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    await worker.makeAll();
    await f.current.clock.advance(0);
    await f.current.store.retract(run.key, '0-4-8', 'w1', 1);
    await f.current.clock.advance(2000);
    expect(await worker.makeAll()).toEqual([]);
    // Another job on the run has not.
    await f.current.attach(run, { consumer: 'other' });
    expect(await worker.makeAll()).toMatchObject([{ first: 4, attempt: 2 }]);
    expect(trainer.ended).toBeNull();
  });

  test('a run that the store lost ends its own attachments, so that their trainers open it again', async () => {
    const lost = await f.current.open('lost');
    const kept = await f.current.open('kept', { seed: 2 });
    const worker = f.current.worker('w1');
    const first = await f.current.attach(lost);
    const second = await f.current.attach(kept);
    await f.current.lose('lost');
    await f.current.clock.advance(3000);
    expect(first.ended?.error?.code).toBe('RUN_NOT_FOUND');
    expect(second.ended).toBeNull();
    await worker.makeAll();
    await f.current.clock.advance(0);
    expect(second.ready).toHaveLength(4);
  });

  test('a run that an operator closed ends its trainers for good, those too that come back', async () => {
    const run = await f.current.open('run');
    const trainer = await f.current.attach(run);
    await f.current.store.closeRun('default', 'run');
    await f.current.clock.advance(3000);
    expect(trainer.ended?.error?.code).toBe('RUN_CLOSED');
    expect((await f.current.attach(run)).ended?.error?.code).toBe('RUN_CLOSED');
    await f.current.open('run');
    expect((await f.current.attach(run)).ended).toBeNull();
  });

  test('of a paused run nothing more is made, what is under way is delivered, and its trainers are told', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    await f.current.store.setRunState('default', 'run', 'paused');
    await f.current.clock.advance(3000);
    const begun = (await worker.makeAll()).length;
    await f.current.clock.advance(3000);
    expect(trainer.ready).toHaveLength(begun);
    expect(await f.current.store.outstanding(run.key)).toEqual([]);
    trainer.progress(2, 8);
    await f.current.clock.advance(3000);
    expect(await worker.makeAll()).toEqual([]);
    expect(trainer.waiting.at(-1)).toMatchObject({ runPaused: true, attempt: 0 });
    await f.current.store.setRunState('default', 'run', 'active');
    await f.current.clock.advance(3000);
    expect((await worker.makeAll()).length).toBeGreaterThan(0);
    await f.current.clock.advance(3000);
    expect(trainer.waiting.at(-1)).toMatchObject({ runPaused: false });
  });

  test('a run that this coordinator cannot work with harms no other', async () => {
    const { store } = f.current;
    const kept = await f.current.open('kept');
    // Its manifest is nowhere.
    const { run } = await store.openRun({
      ...((await store.runByName('default', 'kept')) as RunRecord),
      ...{ name: 'bad', digest: 'b'.repeat(64), manifestDigest: 'gone' },
    });
    const unusable: string[] = [];
    f.current.catalog = f.current.newCatalog({ unusable: ({ name }) => unusable.push(name) });
    f.current.coordinator = f.current.newCoordinator('c2');
    f.current.worker('w1');
    const leaver = await f.current.attach(kept, {}, 2);
    leaver.connection.disconnect();
    expect(await store.outstanding(kept.key)).toHaveLength(2);
    await f.current.clock.advance(3_000);
    expect(await store.outstanding(kept.key)).toEqual([]);
    expect(unusable).toEqual(['bad']);
    expect((await f.current.catalog.list()).map(({ name }) => name)).toEqual(['kept']);
    await expect(f.current.catalog.byName(run.owner, run.name)).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
    });
  });

  test('what a dead worker had begun and nobody wants is forgotten', async () => {
    const run = await f.current.open('run');
    const doomed = f.current.worker('doomed');
    const trainer = await f.current.attach(run, {}, 2);
    const job = await doomed.take();
    if (!job) throw new Error('no job');
    await doomed.begin(job);
    trainer.connection.disconnect();
    doomed.alive = false;
    await f.current.clock.advance(4000);
    expect(await f.current.store.outstanding(run.key)).toEqual([]);
  });

  test('a chunk that kills its workers fails after five deaths, and says so', async () => {
    const run = await f.current.open('run');
    const trainer = await f.current.attach(run, {}, 2);
    for (let death = 1; death <= 5 && !trainer.ended; death++) {
      const worker = f.current.worker(`w${death}`);
      await f.current.clock.advance(3000);
      for (let job = await worker.take(); job; job = await worker.take()) await worker.begin(job);
      worker.alive = false;
      await f.current.clock.advance(4000);
    }
    expect(trainer.ended?.error?.code).toBe('CHUNK_FAILED');
    expect(trainer.ended?.error?.message).toContain('5');
  });

  test('a chunk that failed for good ends those that want it, with its own error', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    const job = await worker.take();
    if (!job) throw new Error('no job');
    await worker.begin(job);
    const error = failure('SAMPLE_UNDECODABLE', { path: 'a/b.jpg', reason: 'the file is truncated' });
    await f.current.store.failChunk(run.key, chunkName(job), JSON.stringify(error.toWire()));
    await f.current.store.wake('coordinators');
    await f.current.clock.advance(0);
    expect(trainer.ended?.error).toMatchObject({
      code: 'SAMPLE_UNDECODABLE',
      problem: 'a/b.jpg: the file is truncated',
    });
  });

  test('a chunk that failed for good ends nobody who was told of it before', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const served = await f.current.attach(run);
    await worker.makeAll();
    await f.current.clock.advance(0);
    await f.current.store.retract(run.key, '0-4-8', 'w1', 1);
    const waiting = await f.current.attach(run, { consumer: 'other' });
    const error = failure('SAMPLE_UNDECODABLE', { path: 'a/b.jpg', reason: 'the file is truncated' });
    await f.current.store.failChunk(run.key, '0-4-8', JSON.stringify(error.toWire()));
    // Without a wake: the tick sees it, which looks at what everybody was told of too.
    await f.current.clock.advance(2000);
    expect(waiting.ended?.error?.code).toBe('SAMPLE_UNDECODABLE');
    expect(served.ended).toBeNull();
  });

  test('a trainer that leaves takes its jobs with it, and blocks no other', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const leaver = await f.current.attach(run, { rank: 0, worldSize: 2, consumer: 'job' });
    const stayer = await f.current.attach(run, { rank: 1, worldSize: 2, consumer: 'job' });
    leaver.connection.disconnect();
    await f.current.clock.advance(2000);
    const jobs = await worker.makeAll();
    expect(jobs.length).toBeGreaterThan(0);
    expect(jobs.every(({ first }) => first % 8 === 4)).toBe(true);
    await f.current.clock.advance(0);
    expect(stayer.ended).toBeNull();
  });

  test('a dead coordinator is replaced by any other: full state at attach is all it needs', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const before = await f.current.attach(run, { process: 'p' });
    await worker.makeAll();
    await f.current.clock.advance(0);
    const held = before.ready.slice(0, 2);
    f.current.coordinator = f.current.newCoordinator('c2');
    const after = await f.current.attach(run, { process: 'p', progress: progressOf(0, 4, held) });
    expect(spans(after.ready).sort()).toEqual(spans(before.ready.slice(2)).sort());
  });
});

describe('nacks', () => {
  test('a chunk that its worker does not hold is made again', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    await worker.makeAll();
    await f.current.clock.advance(0);
    trainer.nack(trainer.ready[1] as ChunkReady, Nack_Reason.NOT_FOUND);
    await f.current.clock.advance(0);
    expect(await worker.makeAll()).toMatchObject([{ first: 4, attempt: 2 }]);
    await f.current.clock.advance(0);
    expect(trainer.ready.at(-1)).toMatchObject({ attempt: 2, chunk: { first: 4n } });
  });

  test('an unreachable worker that lives keeps its chunk; after three tries the attachment ends', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    await worker.makeAll();
    await f.current.clock.advance(0);
    const [ready] = trainer.ready;
    for (let i = 0; i < 2; i++) {
      trainer.nack(ready as ChunkReady, Nack_Reason.UNREACHABLE);
      await f.current.clock.advance(0);
      expect(trainer.ready.at(-1)).toEqual(ready);
    }
    trainer.nack(ready as ChunkReady, Nack_Reason.UNREACHABLE);
    await f.current.clock.advance(0);
    expect(trainer.ended?.error?.code).toBe('UNREACHABLE');
  });
});
