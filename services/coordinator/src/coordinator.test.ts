import { EVERYBODY } from '@cropstream/runtime';
import { describe, expect, test } from 'vitest';
import { spans, useFixture } from '../test-support/fixture.js';
import { progressOf, Trainer } from '../test-support/parts.js';
import type { OpenRun } from './open-run.js';

const f = useFixture();

describe('the normal way', () => {
  test('chunks of the window are queued in the order needed, told when ready, and follow the cursor', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    expect(trainer.received[0]?.message?.$case).toBe('attached');
    const jobs = await worker.makeAll();
    expect(jobs.map(({ first, last }) => [first, last])).toEqual([
      [0, 4],
      [4, 8],
      [8, 12],
      [12, 16],
    ]);
    const order = run.order(0);
    expect(jobs[1]?.indices).toEqual([4, 5, 6, 7].map((position) => order.at(position)));
    await f.current.clock.advance(0);
    expect(spans(trainer.ready)).toEqual(['0:0-4', '0:4-8', '0:8-12', '0:12-16']);

    trainer.progress(1, 4, trainer.ready.slice(2));
    await f.current.clock.advance(0);
    expect((await worker.makeAll()).map(({ first }) => first)).toEqual([16, 20]);
  });

  test('the window goes on over the end of the epoch, and ends where it was told to', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run, { endStep: 6n }, 64, 4);
    await worker.makeAll();
    await f.current.clock.advance(0);
    expect(spans(trainer.ready)).toEqual(['0:32-36', '0:36-40', '1:0-4', '1:4-8']);
  });

  test('two jobs on one run draw the same chunk, made once', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const one = await f.current.attach(run, { consumer: 'one' });
    const two = await f.current.attach(run, { consumer: 'two' });
    const jobs = await worker.makeAll();
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(4);
    expect(jobs).toHaveLength(4);
    await f.current.clock.advance(0);
    expect(spans(one.ready)).toEqual(spans(two.ready));
  });

  test('a run that asks far ahead gets its share of the queue, not more', async () => {
    const greedy = await f.current.open('greedy');
    const modest = await f.current.open('modest', { seed: 2 });
    f.current.worker('w1');
    await f.current.attach(greedy, { consumer: 'a' }, 400);
    const waiting = async (run: OpenRun) =>
      (await f.current.store.outstanding(run.key)).filter(({ takenBy }) => takenBy === null).length;
    expect(await waiting(greedy)).toBe(4); // one run, 2 slots: ceil(2 * 2 / 1)
    await f.current.attach(modest, { consumer: 'b' }, 4);
    await f.current.clock.advance(2000);
    expect(await waiting(modest)).toBe(2);
  });

  test('jobs say which part of the dataset they read most of, where an order keeps neighbours together', async () => {
    const window = { shuffle: 'window', shuffle_window: { block_size: 4, blocks: 3, run_size: 4 } };
    const run = await f.current.open('run', window);
    const worker = f.current.worker('w1');
    await f.current.attach(run);
    const partOf = new Map<number, number | undefined>();
    for (let job = await worker.take(); job; job = await worker.take()) {
      const [block, ...others] = new Set(job.indices.map((id) => Math.floor(id / 4)));
      expect(others).toEqual([]);
      partOf.set(block as number, job.affinity);
    }
    expect(partOf.size).toBeGreaterThan(2);
    expect(new Set(partOf.values()).size).toBe(partOf.size);
    const full = await f.current.open('full');
    await f.current.attach(full, { consumer: 'b' });
    expect(await worker.take()).not.toHaveProperty('affinity');
  });

  test('it says once a second which chunk is awaited and who has it', async () => {
    const run = await f.current.open('run');
    const worker = f.current.worker('w1');
    const trainer = await f.current.attach(run);
    const job = await worker.take();
    if (job) await worker.begin(job);
    await f.current.clock.advance(3000);
    const waits = trainer.received.flatMap(({ message }) =>
      message?.$case === 'waiting' ? [message.value] : [],
    );
    expect(waits.length).toBeGreaterThanOrEqual(3);
    expect(waits.at(-1)).toMatchObject({ workerId: 'w1', attempt: 1, chunk: { first: 0n, last: 4n } });
    expect(waits.at(-1)?.seconds).toBeGreaterThanOrEqual(2);
  });
});

describe('who may attach', () => {
  test('a stream that ends without a word is ended', () => {
    const trainer = new Trainer();
    f.current.coordinator.connect(trainer, EVERYBODY).disconnect();
    expect(trainer.ended).toEqual({ error: undefined });
  });

  const code = (trainer: Trainer) => trainer.ended?.error?.code;

  test('a second process of one rank is refused, naming the first; with takeover the first ends', async () => {
    const run = await f.current.open('run');
    const first = await f.current.attach(run, { host: 'alpha', pid: 11 });
    const second = await f.current.attach(run);
    expect(code(second)).toBe('RANK_TAKEN');
    expect(second.ended?.error?.message).toContain('alpha pid 11');
    expect(second.ended?.error?.message).toContain('RANK');
    const third = await f.current.attach(run, { takeover: true });
    expect(code(first)).toBe('SUPERSEDED');
    expect(third.ended).toBeNull();
  });

  test('the same process attaches again after a cut', async () => {
    const run = await f.current.open('run');
    await f.current.attach(run, { process: 'p' });
    const again = await f.current.attach(run, { process: 'p' });
    expect(again.ended).toBeNull();
  });

  test('two world sizes on one step are refused; on later steps they are not', async () => {
    const run = await f.current.open('run');
    await f.current.attach(run, { rank: 0, worldSize: 2 });
    expect(code(await f.current.attach(run, { rank: 3, worldSize: 4 }, 8))).toBe('WORLD_MISMATCH');
    expect(code(await f.current.attach(run, { rank: 3, worldSize: 4 }, 8, 100))).toBeUndefined();
  });

  test.each([
    ['RANK_OUT_OF_RANGE', { rank: 2, worldSize: 2 }, 8],
    ['WORLD_INDIVISIBLE', { rank: 0, worldSize: 3 }, 8],
    ['WINDOW_TOO_SMALL', {}, 1],
    ['PROTOCOL_MISMATCH', { protocolVersion: 99 }, 8],
    ['RUN_NOT_FOUND', { run: 'no such run', runDigest: '' }, 8],
    ['RUN_CONFLICT', { runDigest: '0'.repeat(64) }, 8],
    ['STEP_OUT_OF_RANGE', { endStep: 3n, progress: progressOf(4, 8) }, 8],
  ] as const)('%s', async (expected, hello, credits) => {
    const run = await f.current.open('run');
    expect(code(await f.current.attach(run, hello, credits))).toBe(expected);
  });

  test('anything before attach ends the stream', async () => {
    const trainer = new Trainer();
    trainer.connection = f.current.coordinator.connect(trainer, EVERYBODY);
    trainer.progress(0, 4);
    await f.current.clock.advance(0);
    expect(code(trainer)).toBe('SPEC_INVALID');
  });
});
