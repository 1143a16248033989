import { failure } from '@cropstream/errors';
import { Nack_Reason } from '@cropstream/protocol';
import { VirtualClock } from '@cropstream/runtime/testing';
import { describe, expect, it } from 'vitest';
import { expectExact, openStream, outcome } from '../test/checks.js';
import { FakeFleet, type Fates, type FetchFate, KIND_FATES } from '../test/fake-fleet.js';
import { FakeRun } from '../test/fake-run.js';
import type { Batch } from './batch.js';

function setUp(fates: Partial<Fates> = {}, run = new FakeRun()) {
  const clock = new VirtualClock();
  return { clock, run, fleet: new FakeFleet(run, clock, { ...KIND_FATES, ...fates }) };
}

/** The first fetches meet these fates, later ones are well. */
function firstFates(...fates: FetchFate[]): Partial<Fates> {
  return { fetch: () => fates.shift() ?? 'ok' };
}

const codeOf = (error: unknown) => (error as { code?: string }).code;

describe('BatchStream', () => {
  it('yields every step once, in order, across epoch ends, whatever order the chunks come in', async () => {
    const { clock, run, fleet } = setUp({ make: ({ first }) => 100 - first });
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    for (let step = 0; step < 12; step++) {
      const batch = (await outcome(clock, stream.next())) as Batch;
      expectExact(run, batch, step);
      expect([batch.epoch, batch.step]).toEqual([Math.floor(step / 5), step % 5]);
    }
  });

  it('fetches the next epoch while the last step of this one is not yet taken', async () => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock, { startStep: 4 });
    await outcome(clock, stream.start(1000));
    await clock.advance(1000);
    expect(fleet.fetches.some(({ key }) => key.startsWith('1-'))).toBe(true);
  });

  it('holds no more than its credits while nobody takes, and says so to the coordinator', async () => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock, { prefetch: { steps: 9, bytes: 8 * 24 * 2 + 5 } });
    await outcome(clock, stream.start(1000));
    await clock.advance(10_000);
    expect(fleet.attaches[0]?.progress).toMatchObject({ creditChunks: 6, creditBytes: 384n, held: [] });
    expect(fleet.fetches).toHaveLength(6);
    expect(stream.heldBytes).toBe(2 * 8 * (24 + 3 * 8));
  });

  it('refuses a prefetch that does not hold a step, with both numbers', () => {
    const { clock, fleet } = setUp();
    const open = () => openStream(fleet, clock, { prefetch: { steps: 2, bytes: 100 } });
    expect(open).toThrow(/one step takes 3 chunks and 192 bytes, .* 100 bytes/);
  });

  it('acknowledges what was yielded, not what was prefetched', async () => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    await clock.advance(1000);
    expect(stream.nextStep).toBe(0);
    expect(fleet.progress.map(({ nextStep }) => nextStep)).toEqual([0n]);
    await outcome(clock, stream.next());
    await clock.advance(1000);
    expect(stream.nextStep).toBe(1);
    expect(fleet.progress.at(-1)).toMatchObject({ nextStep: 1n });
    expect(fleet.progress.at(-1)?.held).toHaveLength(6);
  });

  it('takes chunks that are announced twice, once', async () => {
    const { clock, run, fleet } = setUp({ repeat: () => true });
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    for (let step = 0; step < 6; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    expect(new Set(fleet.fetches.map(({ key }) => key)).size).toBe(fleet.fetches.length);
  });

  it('goes on from the same byte after a cut, without a nack', async () => {
    const { clock, run, fleet } = setUp(firstFates('cut'));
    const stream = openStream(fleet, clock, { prefetch: { steps: 1, bytes: null } });
    await outcome(clock, stream.start(1000));
    expectExact(run, (await outcome(clock, stream.next())) as Batch, 0);
    const [first] = fleet.fetches;
    const offsets = fleet.fetches.filter(({ key }) => key === first?.key).map(({ offset }) => offset);
    expect(offsets).toHaveLength(2);
    expect(offsets[1]).toBeGreaterThan(0);
    expect(fleet.nacks).toEqual([]);
  });

  it.each([
    ['damaged', Nack_Reason.DAMAGED],
    ['other', Nack_Reason.DAMAGED],
    ['not-found', Nack_Reason.NOT_FOUND],
    ['unreachable', Nack_Reason.UNREACHABLE],
    ['silent', Nack_Reason.UNREACHABLE],
  ] as const)('reports a chunk that is %s, and yields it all the same', async (fate, reason) => {
    const { clock, run, fleet } = setUp(firstFates(fate));
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    for (let step = 0; step < 3; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    expect(fleet.nacks).toHaveLength(1);
    expect(fleet.nacks[0]).toMatchObject({ reason, attempt: 1 });
  });

  it('fetches an announced chunk from elsewhere when the first place fails', async () => {
    const { clock, run, fleet } = setUp({ ...firstFates('silent'), make: () => 1e9 });
    const stream = openStream(fleet, clock, { prefetch: { steps: 1, bytes: null } });
    await outcome(clock, stream.start(1000));
    const chunks = [0, 3, 6].map((first) => ({ epoch: 0, first, last: Math.min(first + 3, 8) }));
    for (const chunk of chunks) fleet.announce(chunk, 'w1');
    await clock.advance(10);
    for (const chunk of chunks) fleet.announce(chunk, 'w2');
    expectExact(run, (await outcome(clock, stream.next())) as Batch, 0);
    expect(fleet.fetches.map(({ workerId }) => workerId)).toEqual(['w1', 'w1', 'w1', 'w2']);
  });

  it('takes announcements for steps that are not in its window yet', async () => {
    const { clock, run, fleet } = setUp({ make: ({ first }) => (first >= 16 ? 1e9 : 5) });
    const stream = openStream(fleet, clock, { prefetch: { steps: 1, bytes: null } });
    await outcome(clock, stream.start(1000));
    for (const [first, last] of [
      [16, 19],
      [19, 22],
      [22, 24],
    ] as const)
      fleet.announce({ epoch: 0, first, last });
    for (let step = 0; step < 3; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
  });

  it('attaches again with its full state when the coordinator dies, as the same process and without takeover', async () => {
    const { clock, run, fleet } = setUp();
    const stream = openStream(fleet, clock, { takeover: true });
    await outcome(clock, stream.start(1000));
    await outcome(clock, stream.next());
    await clock.advance(1000);
    fleet.kill();
    await clock.advance(1000);
    for (let step = 1; step < 8; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    expect(fleet.attaches).toHaveLength(2);
    expect(fleet.attaches[0]).toMatchObject({ takeover: true, process: 'p1', runDigest: run.info.digest });
    expect(fleet.attaches[1]).toMatchObject({ takeover: false, process: 'p1', progress: { nextStep: 1n } });
    expect(fleet.attaches[1]?.progress?.held.length).toBeGreaterThan(0);
  });

  it('is back within two seconds of a coordinator that was away for long', async () => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    fleet.refusal = failure('UNREACHABLE', { target: 'fake:1', reason: 'connection refused' });
    fleet.kill();
    for (let second = 0; second < 20; second++) {
      const tries = fleet.attaches.length;
      await clock.advance(2_010);
      expect(fleet.attaches.length).toBeGreaterThan(tries);
    }
  });

  it('tells a new coordinator what it yielded while that had not answered yet', async () => {
    const { clock, run, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    await clock.advance(1000);
    fleet.refusal = failure('UNREACHABLE', { target: 'fake:1', reason: 'gone' });
    fleet.kill();
    fleet.fates.delay = () => 500;
    fleet.refusal = null;
    await clock.advance(100);
    for (let step = 0; step < 5; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    expect(fleet.attaches.at(-1)?.progress).toMatchObject({ nextStep: 0n });
  });

  it('asks a busy worker again after a moment, and tells nobody', async () => {
    const { clock, run, fleet } = setUp(firstFates('busy', 'busy'));
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    expectExact(run, (await outcome(clock, stream.next())) as Batch, 0);
    expect(fleet.nacks).toEqual([]);
  });

  it('opens a lost run again from its spec', async () => {
    const { clock, run, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    fleet.knowsRun = false;
    fleet.kill();
    for (let step = 0; step < 8; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    expect(fleet.opened).toEqual([run.info.specJson]);
  });

  it.each(['SUPERSEDED', 'CANCELLED'] as const)('ends at once, though batches are held: %s', async (code) => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    await clock.advance(1000);
    if (code === 'CANCELLED') stream.close(failure('CANCELLED', { what: 'the loader' }));
    else fleet.kill(failure('SUPERSEDED', { rank: 0, consumer: 'job', host: 'b', pid: 9 }));
    await expect(outcome(clock, stream.next())).rejects.toMatchObject({ code });
    await clock.advance(60_000);
    expect(fleet.attaches).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it('yields what was announced before an error that ends the run, then throws it', async () => {
    const { clock, run, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    await clock.advance(1000);
    fleet.kill(failure('CHUNK_FAILED', { chunk: '1-0-3', attempts: 3, reason: 'bad.jpg' }));
    for (let step = 0; step < 3; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    await expect(outcome(clock, stream.next())).rejects.toMatchObject({ code: 'CHUNK_FAILED' });
    expect(stream.nextStep).toBe(3);
  });

  it('says at start who holds the rank', async () => {
    const { clock, fleet } = setUp();
    fleet.refusal = failure('RANK_TAKEN', { rank: 0, consumer: 'job', host: 'node7', pid: 41 });
    await expect(outcome(clock, openStream(fleet, clock).start(1000))).rejects.toThrow(
      /node7 pid 41.*RANK unset/,
    );
  });

  it('gives a coordinator up that is not there at the start, within the limit', async () => {
    const { clock, fleet } = setUp();
    fleet.refusal = failure('UNREACHABLE', { target: 'fake:1', reason: 'refused' });
    await expect(outcome(clock, openStream(fleet, clock).start(3000))).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
    expect(clock.now()).toBeLessThanOrEqual(3000);
    expect(fleet.attaches.length).toBeGreaterThan(3);
    const tries = fleet.attaches.length;
    await clock.advance(60_000);
    expect(fleet.attaches).toHaveLength(tries);
  });

  it('names the chunk it waited for, since when, and who has it; and goes on if asked again', async () => {
    let makes = 1e9;
    const { clock, run, fleet } = setUp({ make: () => makes });
    const stream = openStream(fleet, clock, { rank: 1, worldSize: 2 });
    await outcome(clock, stream.start(1000));
    const chunk = { epoch: 0n, first: 4n, last: 7n };
    const waiting = { chunk, attempt: 2, workerId: 'w9', seconds: 58.25, runPaused: false };
    fleet.say({ $case: 'waiting', value: waiting });
    await expect(outcome(clock, stream.next())).rejects.toThrow(
      'rank 1 waited 60 s for step 0: chunk 4-7 of epoch 0, wanted for 60.0 s, is being made by worker w9 (attempt 2, asked for 58.3 s ago)',
    );
    fleet.say({ $case: 'waiting', value: { ...waiting, workerId: '' } });
    await expect(outcome(clock, stream.next())).rejects.toThrow(/is in the queue .* no worker has taken it/);
    makes = 5;
    fleet.kill();
    expectExact(run, (await outcome(clock, stream.next())) as Batch, 0, 1, 2);
  });

  it('waits for as long as a run is paused, and from then on as long as for any other batch', async () => {
    const { clock, fleet } = setUp({ make: () => 1e9 });
    const stream = openStream(fleet, clock, { rank: 1, worldSize: 2 });
    await outcome(clock, stream.start(1000));
    const chunk = { epoch: 0n, first: 4n, last: 7n };
    let code: unknown;
    stream.next().catch((error: unknown) => {
      code = codeOf(error);
    });
    for (let second = 0; second < 600; second++) {
      const value = { chunk, attempt: 0, workerId: '', seconds: 1, runPaused: true };
      fleet.say({ $case: 'waiting', value });
      await clock.advance(1000);
    }
    await clock.advance(58_000);
    expect(code).toBeUndefined();
    await clock.advance(2000);
    expect(code).toBe('STREAM_STALLED');
  });

  it('says of a wait that is over before the run goes on that it is paused', async () => {
    const { clock, fleet } = setUp({ make: () => 1e9 });
    const stream = openStream(fleet, clock, { rank: 1, worldSize: 2 });
    await outcome(clock, stream.start(1000));
    const chunk = { epoch: 0n, first: 4n, last: 7n };
    fleet.say({
      $case: 'waiting',
      value: { chunk, attempt: 0, workerId: '', seconds: 1, runPaused: true },
    });
    await expect(outcome(clock, stream.next())).rejects.toThrow(/is not made while the run is paused/);
  });

  it('throws what keeps it from the coordinator when that is why no batch comes', async () => {
    const { clock, run, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    fleet.refusal = failure('UNREACHABLE', { target: 'fake:1', reason: 'refused' });
    fleet.kill();
    await expect(outcome(clock, stream.next())).rejects.toThrow(/cannot reach fake:1: refused/);
    fleet.refusal = null;
    expectExact(run, (await outcome(clock, stream.next())) as Batch, 0);
  });

  it('ends at the end step, detached', async () => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock, { startStep: 3, endStep: 6 });
    await outcome(clock, stream.start(1000));
    for (let step = 3; step < 6; step++) await outcome(clock, stream.next());
    expect(await outcome(clock, stream.next())).toBeNull();
    expect(fleet.session?.open).toBe(false);
    expect(fleet.attaches[0]?.endStep).toBe(6n);
  });

  it('serves several waiters in the order they asked', async () => {
    const { clock, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    const batches = await outcome(
      clock,
      Promise.all([stream.next(), stream.next(), stream.next(), stream.next()]),
    );
    expect(batches.map((batch) => batch?.globalStep)).toEqual([0, 1, 2, 3]);
  });

  it('goes to another step and keeps what of it is held already', async () => {
    const { clock, run, fleet } = setUp();
    const stream = openStream(fleet, clock);
    await outcome(clock, stream.start(1000));
    await clock.advance(1000);
    const before = fleet.fetches.length;
    stream.seek(1);
    for (const step of [1, 2, 3]) expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    expect(fleet.fetches.slice(0, before).filter(({ key }) => key === '0-8-11')).toHaveLength(1);
    const waiting = stream.next();
    stream.seek(0);
    expectExact(run, (await outcome(clock, waiting)) as Batch, 0);
  });

  it('yields the empty slice of a tail smaller than the world as an empty batch', async () => {
    const { clock, run, fleet } = setUp({}, new FakeRun({ samples: 10, dropLast: false }));
    const stream = openStream(fleet, clock, { rank: 3, worldSize: 4 });
    await outcome(clock, stream.start(1000));
    for (let step = 0; step < 4; step++)
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step, 3, 4);
  });

  it('rejects with the error of a defect that does not pass', async () => {
    const { clock, fleet } = setUp();
    fleet.refusal = failure('INTERNAL', { reason: 'oops' });
    const error = await outcome(clock, openStream(fleet, clock).start(9000)).catch(
      (thrown: unknown) => thrown,
    );
    expect(codeOf(error)).toBe('INTERNAL');
    expect(fleet.attaches).toHaveLength(3);
  });
});
