import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTransforms } from '@cropstream/augment';
import { type ChunkJob, chunkName, MemoryBroker, MemoryStore } from '@cropstream/broker';
import { type CropstreamError, failure } from '@cropstream/errors';
import {
  type Attach,
  type AttachResponse,
  type ChunkReady,
  Nack_Reason,
  PROTOCOL_VERSION,
} from '@cropstream/protocol';
import { VirtualClock } from '@cropstream/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AttachChannel } from './attachment.js';
import { type Connection, Coordinator, type CoordinatorObserver } from './coordinator.js';
import { DEFAULT_LIMITS } from './limits.js';
import { type OpenRun, RunCatalog } from './runs.js';

const FINGERPRINT = 'f'.repeat(64);
const MIB = 1 << 20;
const SAMPLES = 40;

const silent: CoordinatorObserver = {
  scheduled() {},
  announced() {},
  workerDied() {},
  removed() {},
  attached() {},
  detached() {},
  nacked() {},
  passFailed(error) {
    throw error;
  },
  fleet() {},
};

/** A trainer's end of a stream: what it was told, and how it ended. */
class Trainer implements AttachChannel {
  readonly received: AttachResponse[] = [];
  ended: { error: CropstreamError | undefined } | null = null;
  connection!: Connection;

  send(message: AttachResponse): void {
    this.received.push(message);
  }

  end(error?: CropstreamError): void {
    this.ended = { error };
  }

  get ready(): ChunkReady[] {
    return this.received.flatMap(({ message }) => (message?.$case === 'ready' ? [message.value] : []));
  }

  progress(nextStep: number, creditChunks: number, held: ChunkReady[] = []): void {
    const value = progressOf(nextStep, creditChunks, held);
    this.connection.receive({ message: { $case: 'progress', value } });
  }

  nack(ready: ChunkReady, reason: Nack_Reason): void {
    const { chunk, attempt, location } = ready;
    const value = { chunk, attempt, workerId: location?.workerId ?? '', reason };
    this.connection.receive({ message: { $case: 'nack', value } });
  }
}

const progressOf = (nextStep: number, creditChunks: number, held: ChunkReady[] = []) => ({
  nextStep: BigInt(nextStep),
  creditChunks,
  creditBytes: BigInt(1024 * MIB),
  held: held.flatMap(({ chunk }) => (chunk ? [chunk] : [])),
  waitedSeconds: 0,
  elapsedSeconds: 0,
});

/** A worker that only keeps records: it makes nothing. */
class Worker {
  alive = true;

  constructor(
    readonly id: string,
    readonly store: MemoryStore,
    readonly broker: MemoryBroker,
    readonly clock: VirtualClock,
  ) {
    void this.#beat();
  }

  async #beat(): Promise<void> {
    if (!this.alive) return;
    const record = {
      tlsName: '',
      fingerprint: FINGERPRINT,
      protocolVersion: 1,
      slots: 2,
      outboxBytes: 0,
      outboxLimit: MIB,
    };
    await this.store.beat({ id: this.id, address: `${this.id}:1`, ...record }, 1500);
    this.clock.timer(500, () => void this.#beat());
  }

  async take(): Promise<ChunkJob | null> {
    // An empty queue makes a taker wait for the clock, which stands still here.
    if ((await this.broker.counts(FINGERPRINT)).waiting === 0) return null;
    return this.broker.take(FINGERPRINT, this.id, 0);
  }

  async begin(job: ChunkJob): Promise<boolean> {
    return this.store.begin(job.runDigest, chunkName(job), job.attempt, this.id);
  }

  async publish(job: ChunkJob): Promise<boolean> {
    const chunk = chunkName(job);
    const place = { workerId: this.id, address: `${this.id}:1`, tlsName: '' };
    const won = await this.store.publish(job.runDigest, { chunk, attempt: job.attempt, ...place, bytes: 10 });
    await this.broker.finish(FINGERPRINT, job.id, this.id);
    await this.store.wake('coordinators');
    return won;
  }

  /** Makes everything that is in the queue; returns the jobs in the order taken. */
  async makeAll(): Promise<ChunkJob[]> {
    const made: ChunkJob[] = [];
    for (let job = await this.take(); job; job = await this.take()) {
      if (await this.begin(job)) await this.publish(job);
      made.push(job);
    }
    return made;
  }
}

let folder: string;
let clock: VirtualClock;
let store: MemoryStore;
let broker: MemoryBroker;
let catalog: RunCatalog;
let coordinator: Coordinator;

const specOf = (name: string, more: object = {}) => ({
  name,
  dataset: { source: 'image-folder', url: folder },
  seed: 1,
  global_batch_size: 8,
  chunk_size: 4,
  views: { view: { size: 8 } },
  ...more,
});

const open = async (name: string, more: object = {}): Promise<OpenRun> =>
  (await catalog.open(specOf(name, more))).run;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cropstream-coordinator-'));
  for (let i = 0; i < SAMPLES; i++) writeFileSync(join(folder, `${i}.jpg`), 'x');
  clock = new VirtualClock();
  store = new MemoryStore({ clock });
  broker = new MemoryBroker({ clock });
  catalog = new RunCatalog({
    store,
    transforms: await loadTransforms([]),
    fingerprint: async () => FINGERPRINT,
    wall: () => clock.wall(),
  });
  const options = { id: 'c1', catalog, store, broker, clock, limits: DEFAULT_LIMITS, observer: silent };
  coordinator = new Coordinator(options);
});

afterEach(async () => {
  await coordinator.stop();
  rmSync(folder, { recursive: true });
});

async function attach(run: OpenRun, more: Partial<Attach> = {}, credits = 4, nextStep = 0): Promise<Trainer> {
  const trainer = new Trainer();
  trainer.connection = coordinator.connect(trainer);
  const value: Attach = {
    protocolVersion: PROTOCOL_VERSION,
    run: run.name,
    runDigest: run.digest,
    consumer: 'job',
    rank: 0,
    worldSize: 1,
    takeover: false,
    allowUneven: false,
    process: `process-${Math.random()}`,
    host: 'here',
    pid: 7,
    endStep: undefined,
    progress: progressOf(nextStep, credits),
    ...more,
  };
  trainer.connection.receive({ message: { $case: 'attach', value } });
  await clock.advance(0);
  return trainer;
}

const spans = (ready: ChunkReady[]) =>
  ready.map(({ chunk }) => `${chunk?.epoch}:${chunk?.first}-${chunk?.last}`);

describe('the normal way', () => {
  test('chunks of the window are queued in the order needed, told when ready, and follow the cursor', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const trainer = await attach(run);
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
    await clock.advance(0);
    expect(spans(trainer.ready)).toEqual(['0:0-4', '0:4-8', '0:8-12', '0:12-16']);

    trainer.progress(1, 4, trainer.ready.slice(2));
    await clock.advance(0);
    expect((await worker.makeAll()).map(({ first }) => first)).toEqual([16, 20]);
  });

  test('the window goes on over the end of the epoch, and ends where it was told to', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const trainer = await attach(run, { endStep: 6n }, 64, 4);
    await worker.makeAll();
    await clock.advance(0);
    expect(spans(trainer.ready)).toEqual(['0:32-36', '0:36-40', '1:0-4', '1:4-8']);
  });

  test('two jobs on one run draw the same chunk, made once', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const one = await attach(run, { consumer: 'one' });
    const two = await attach(run, { consumer: 'two' });
    const jobs = await worker.makeAll();
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(4);
    expect(jobs).toHaveLength(4);
    await clock.advance(0);
    expect(spans(one.ready)).toEqual(spans(two.ready));
  });

  test('a run that asks far ahead gets its share of the queue, not more', async () => {
    const greedy = await open('greedy');
    const modest = await open('modest', { seed: 2 });
    new Worker('w1', store, broker, clock);
    await attach(greedy, { consumer: 'a' }, 400);
    const waiting = async (run: OpenRun) =>
      (await store.outstanding(run.digest)).filter(({ takenBy }) => takenBy === null).length;
    expect(await waiting(greedy)).toBe(4); // one run, 2 slots: ceil(2 * 2 / 1)
    await attach(modest, { consumer: 'b' }, 4);
    await clock.advance(2000);
    expect(await waiting(modest)).toBe(2);
  });

  test('it says once a second which chunk is awaited and who has it', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const trainer = await attach(run);
    const job = await worker.take();
    if (job) await worker.begin(job);
    await clock.advance(3000);
    const waits = trainer.received.flatMap(({ message }) =>
      message?.$case === 'waiting' ? [message.value] : [],
    );
    expect(waits.length).toBeGreaterThanOrEqual(3);
    expect(waits.at(-1)).toMatchObject({ workerId: 'w1', attempt: 1, chunk: { first: 0n, last: 4n } });
    expect(waits.at(-1)?.seconds).toBeGreaterThanOrEqual(2);
  });
});

describe('when something dies', () => {
  test('a chunk whose worker is gone is made again at once, ahead of others', async () => {
    const run = await open('run');
    const doomed = new Worker('doomed', store, broker, clock);
    const other = new Worker('other', store, broker, clock);
    const trainer = await attach(run);
    const job = await doomed.take();
    if (!job) throw new Error('no job');
    await doomed.begin(job);
    doomed.alive = false;
    await clock.advance(3000);
    const [first] = await other.makeAll();
    expect(first).toMatchObject({ first: job.first, attempt: 2, urgent: true, indices: job.indices });
    await clock.advance(0);
    expect(trainer.ready).toHaveLength(4);
    // A late completion of the lost attempt loses.
    expect(await doomed.publish(job)).toBe(false);
  });

  test('a ready chunk whose worker is gone is made again', async () => {
    const run = await open('run');
    const doomed = new Worker('doomed', store, broker, clock);
    const trainer = await attach(run);
    await doomed.makeAll();
    doomed.alive = false;
    const other = new Worker('other', store, broker, clock);
    await clock.advance(3000);
    expect((await other.makeAll()).map(({ attempt }) => attempt)).toEqual([2, 2, 2, 2]);
    await clock.advance(0);
    expect(trainer.ready.slice(-4).map(({ location }) => location?.workerId)).toEqual(Array(4).fill('other'));
  });

  test('a claim whose job is lost is queued again under the same id', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    await attach(run);
    const lost = (await store.outstanding(run.digest)).map(
      ({ chunk, attempt }) => `${run.digest}-${chunk}-${attempt}`,
    );
    await broker.remove(FINGERPRINT, lost);
    await clock.advance(4000);
    expect((await worker.makeAll()).map(({ id }) => id).sort()).toEqual(lost.sort());
  });

  test('a chunk that kills its workers fails after five deaths, and says so', async () => {
    const run = await open('run');
    const trainer = await attach(run, {}, 2);
    for (let death = 1; death <= 5 && !trainer.ended; death++) {
      const worker = new Worker(`w${death}`, store, broker, clock);
      await clock.advance(3000);
      for (let job = await worker.take(); job; job = await worker.take()) await worker.begin(job);
      worker.alive = false;
      await clock.advance(4000);
    }
    expect(trainer.ended?.error?.code).toBe('CHUNK_FAILED');
    expect(trainer.ended?.error?.message).toContain('5');
  });

  test('a chunk that failed for good ends those that want it, with its own error', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const trainer = await attach(run);
    const job = await worker.take();
    if (!job) throw new Error('no job');
    await worker.begin(job);
    const error = failure('SAMPLE_UNDECODABLE', { path: 'a/b.jpg', reason: 'the file is truncated' });
    await store.failChunk(run.digest, chunkName(job), JSON.stringify(error.toWire()));
    await store.wake('coordinators');
    await clock.advance(0);
    expect(trainer.ended?.error).toMatchObject({
      code: 'SAMPLE_UNDECODABLE',
      problem: 'a/b.jpg: the file is truncated',
    });
  });

  test('a trainer that leaves takes its jobs with it, and blocks no other', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const leaver = await attach(run, { rank: 0, worldSize: 2, consumer: 'job' });
    const stayer = await attach(run, { rank: 1, worldSize: 2, consumer: 'job' });
    leaver.connection.disconnect();
    await clock.advance(2000);
    const jobs = await worker.makeAll();
    expect(jobs.length).toBeGreaterThan(0);
    expect(jobs.every(({ first }) => first % 8 === 4)).toBe(true);
    await clock.advance(0);
    expect(stayer.ended).toBeNull();
  });

  test('a dead coordinator is replaced by any other: full state at attach is all it needs', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const before = await attach(run, { process: 'p' });
    await worker.makeAll();
    await clock.advance(0);
    const held = before.ready.slice(0, 2);
    coordinator = new Coordinator({
      id: 'c2',
      catalog,
      store,
      broker,
      clock,
      limits: DEFAULT_LIMITS,
      observer: silent,
    });
    const after = await attach(run, { process: 'p', progress: progressOf(0, 4, held) });
    expect(spans(after.ready).sort()).toEqual(spans(before.ready.slice(2)).sort());
  });
});

describe('nacks', () => {
  test('a chunk that its worker does not hold is made again', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const trainer = await attach(run);
    await worker.makeAll();
    await clock.advance(0);
    trainer.nack(trainer.ready[1] as ChunkReady, Nack_Reason.NOT_FOUND);
    await clock.advance(0);
    expect(await worker.makeAll()).toMatchObject([{ first: 4, attempt: 2 }]);
    await clock.advance(0);
    expect(trainer.ready.at(-1)).toMatchObject({ attempt: 2, chunk: { first: 4n } });
  });

  test('an unreachable worker that lives keeps its chunk; after three tries the attachment ends', async () => {
    const run = await open('run');
    const worker = new Worker('w1', store, broker, clock);
    const trainer = await attach(run);
    await worker.makeAll();
    await clock.advance(0);
    const [ready] = trainer.ready;
    for (let i = 0; i < 2; i++) {
      trainer.nack(ready as ChunkReady, Nack_Reason.UNREACHABLE);
      await clock.advance(0);
      expect(trainer.ready.at(-1)).toEqual(ready);
    }
    trainer.nack(ready as ChunkReady, Nack_Reason.UNREACHABLE);
    await clock.advance(0);
    expect(trainer.ended?.error?.code).toBe('UNREACHABLE');
  });
});

describe('who may attach', () => {
  const code = (trainer: Trainer) => trainer.ended?.error?.code;

  test('a second process of one rank is refused, naming the first; with takeover the first ends', async () => {
    const run = await open('run');
    const first = await attach(run, { host: 'alpha', pid: 11 });
    const second = await attach(run);
    expect(code(second)).toBe('RANK_TAKEN');
    expect(second.ended?.error?.message).toContain('alpha pid 11');
    expect(second.ended?.error?.message).toContain('RANK');
    const third = await attach(run, { takeover: true });
    expect(code(first)).toBe('SUPERSEDED');
    expect(third.ended).toBeNull();
  });

  test('the same process attaches again after a cut', async () => {
    const run = await open('run');
    await attach(run, { process: 'p' });
    const again = await attach(run, { process: 'p' });
    expect(again.ended).toBeNull();
  });

  test('two world sizes on one step are refused; on later steps they are not', async () => {
    const run = await open('run');
    await attach(run, { rank: 0, worldSize: 2 });
    expect(code(await attach(run, { rank: 3, worldSize: 4 }, 8))).toBe('WORLD_MISMATCH');
    expect(code(await attach(run, { rank: 3, worldSize: 4 }, 8, 100))).toBeUndefined();
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
    const run = await open('run');
    expect(code(await attach(run, hello, credits))).toBe(expected);
  });

  test('anything before attach ends the stream', async () => {
    const trainer = new Trainer();
    trainer.connection = coordinator.connect(trainer);
    trainer.progress(0, 4);
    await clock.advance(0);
    expect(code(trainer)).toBe('SPEC_INVALID');
  });
});

describe('opening runs', () => {
  test('opening again is idempotent; another spec under the name is refused, saying what differs', async () => {
    const run = await open('run');
    expect((await catalog.open(specOf('run'))).created).toBe(false);
    expect((await open('run')).digest).toBe(run.digest);
    await expect(open('run', { seed: 2 })).rejects.toMatchObject({ code: 'RUN_CONFLICT' });
    await expect(open('run', { seed: 2 })).rejects.toThrow(/seed/);
  });

  test('a run is opened again from the spec that its info carries', async () => {
    const run = await open('run');
    await store.closeRun('run');
    const again = await catalog.open(JSON.parse(run.info.specJson));
    expect(again).toMatchObject({ created: true, run: { digest: run.digest } });
  });

  test('fewer samples than a batch is an error that names both numbers', async () => {
    await expect(open('run', { global_batch_size: 64 })).rejects.toThrow(/40.*64/);
  });
});
