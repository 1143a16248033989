import { createHash } from 'node:crypto';
import { VirtualClock } from '@cropstream/runtime/testing';
import { describe, expect, it } from 'vitest';
import type { Batch } from './core/batch.js';
import { StreamDigest } from './digest.js';
import { MultiCropLoader } from './loader.js';
import type { LoaderOptions } from './options.js';
import { expectExact, outcome } from './test/checks.js';
import { FakeFleet, KIND_FATES } from './test/fake-fleet.js';
import { FakeRun, pathOf } from './test/fake-run.js';

function setUp(run = new FakeRun(), fates = {}) {
  const clock = new VirtualClock();
  const fleet = new FakeFleet(run, clock, { ...KIND_FATES, ...fates });
  const open = (options: Partial<LoaderOptions> = {}) =>
    outcome(
      clock,
      MultiCropLoader.open({
        target: 'fake:1',
        rank: 0,
        worldSize: 1,
        transport: fleet,
        clock,
        randomness: { id: () => 'p1', uniform: () => 0.5 },
        ...options,
      }),
    );
  return { clock, run, fleet, open };
}

async function draw(loader: MultiCropLoader, limit = Number.POSITIVE_INFINITY): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader) {
    batches.push(batch);
    if (batches.length === limit) break;
  }
  return batches;
}

const stepsOf = (batches: readonly Batch[]) => batches.map(({ globalStep }) => globalStep);

describe('MultiCropLoader', () => {
  it('yields an epoch an iteration', async () => {
    const { clock, open } = setUp();
    const loader = await open();
    expect(loader.length).toBe(5);
    expect(stepsOf(await outcome(clock, draw(loader)))).toEqual([0, 1, 2, 3, 4]);
    expect(stepsOf(await outcome(clock, draw(loader)))).toEqual([5, 6, 7, 8, 9]);
    expect(loader.epoch).toBe(2);
  });

  it('goes on in mid-epoch after a break, and setEpoch does not disturb that', async () => {
    const { clock, open } = setUp();
    const loader = await open();
    await outcome(clock, draw(loader, 2));
    loader.setEpoch(0);
    expect(stepsOf(await outcome(clock, draw(loader)))).toEqual([2, 3, 4]);
    loader.setEpoch(3);
    expect(stepsOf(await outcome(clock, draw(loader)))).toEqual([15, 16, 17, 18, 19]);
    loader.setEpoch(0);
    expect(stepsOf(await outcome(clock, draw(loader, 1)))).toEqual([0]);
    expect(() => loader.setEpoch(-1)).toThrow(/epoch: -1 is not allowed/);
  });

  it('makes epochs of another size out of the endless stream', async () => {
    const { clock, run, open } = setUp();
    const loader = await open({ epochSize: 24 });
    expect(loader.length).toBe(3);
    await outcome(clock, draw(loader));
    const second = await outcome(clock, draw(loader));
    expect(second.map(({ epoch, step }) => [epoch, step])).toEqual([
      [0, 3],
      [0, 4],
      [1, 0],
    ]);
    for (const batch of second) expectExact(run, batch, batch.globalStep);
    await expect(open({ epochSize: 7 })).rejects.toThrow(/epochSize: 7 .* global batch of 8/);
  });

  it('goes on for ever when endless, and ends at its end step', async () => {
    const { clock, open } = setUp();
    expect(await outcome(clock, draw(await open({ endless: true }), 13))).toHaveLength(13);
    const loader = await open({ endless: true, startStep: 4, endStep: 7 });
    expect(stepsOf(await outcome(clock, draw(loader)))).toEqual([4, 5, 6]);
    await expect(open({ startStep: 7, endStep: 7 })).rejects.toMatchObject({ code: 'STEP_OUT_OF_RANGE' });
  });

  it('resumes at the step after the last one yielded, in another process and another world size', async () => {
    const { clock, run, open } = setUp();
    const loader = await open();
    await outcome(clock, draw(loader, 3));
    await clock.advance(1000);
    const saved = JSON.parse(JSON.stringify(loader.stateDict()));
    expect(saved).toEqual({
      version: 1,
      run: 'fake',
      spec_json: run.info.specJson,
      run_digest: run.info.digest,
      manifest_digest: run.info.manifestDigest,
      fingerprint: 'f00d',
      global_step: 3,
      consumer: 'default',
    });
    const resumed = await open({ state: saved, rank: 1, worldSize: 2 });
    const [batch] = await outcome(clock, draw(resumed, 1));
    expectExact(run, batch!, 3, 1, 2);
    const loaded = await open();
    loaded.loadStateDict(saved);
    expect(stepsOf(await outcome(clock, draw(loaded)))).toEqual([3, 4]);
  });

  it('opens a lost run from the state itself', async () => {
    const { fleet, open } = setUp();
    const saved = (await open()).stateDict();
    fleet.knowsRun = false;
    await open({ state: saved });
    expect(fleet.opened).toEqual([saved.spec_json]);
  });

  it('refuses a state of another run, naming the field', async () => {
    const { open } = setUp();
    const loader = await open();
    const saved = loader.stateDict();
    const load = (changes: object) => () => loader.loadStateDict({ ...saved, ...changes });
    expect(load({ manifest_digest: 'x' })).toThrow(/another run: manifest_digest is x/);
    expect(load({ run_digest: 'x' })).toThrow(/another run: run_digest is x/);
    expect(load({ fingerprint: 'x' })).toThrow(/pixel fingerprint x/);
    expect(load({ global_step: -1 })).toThrow(
      'state.global_step: -1 is not allowed; expected an integer of at least 0',
    );
    expect(load({ version: 2 })).toThrow(/state.version: 2/);
    await expect(open({ state: { ...saved, run_digest: 'x' } })).rejects.toMatchObject({
      code: 'STATE_MISMATCH',
    });
  });

  it('takes rank, world size and job from the environment, and options before it', async () => {
    const { fleet, open } = setUp();
    const fromEnvironment = async (environment: Record<string, string>, options = {}) => {
      const before = { ...process.env };
      Object.assign(process.env, environment);
      try {
        await open({ rank: undefined, worldSize: undefined, ...options });
      } finally {
        process.env = before;
      }
      return fleet.attaches.at(-1);
    };
    const job = { RANK: '1', WORLD_SIZE: '2', SLURM_JOB_ID: '77' };
    expect(await fromEnvironment(job)).toMatchObject({ rank: 1, worldSize: 2, consumer: '77' });
    expect(await fromEnvironment({ ...job, CROPSTREAM_CONSUMER: 'mine' }, { rank: 0 })).toMatchObject({
      rank: 0,
      consumer: 'mine',
    });
    expect(await fromEnvironment({ TORCHELASTIC_RUN_ID: 'none' })).toMatchObject({
      rank: 0,
      worldSize: 1,
      consumer: 'default',
    });
    await expect(fromEnvironment({ WORLD_SIZE: '2' })).rejects.toThrow(/RANK: unset is not allowed/);
    await expect(fromEnvironment({ RANK: 'two' })).rejects.toThrow(/RANK: two is not allowed/);
  });

  it.each([
    [
      { prefetch: { steps: 0 } },
      'options.prefetch.steps: 0 is not allowed; expected an integer of at least 1',
    ],
    [{ ranks: 3 }, 'options.ranks: 3 is not allowed; expected nothing of that name'],
    [{ run: 'a', spec: {} }, 'options: run and spec is not allowed; expected one of run, spec and state'],
    [{ timeoutMs: '5s' }, 'options.timeoutMs: "5s" is not allowed'],
    [{ excludeFields: ['paht'] }, 'options.excludeFields: paht is not allowed; expected some of path, score'],
    [{ rank: 2, worldSize: 2 }, 'rank 2 is not in a world of 2'],
    [{ worldSize: 3 }, 'a global batch of 8 does not divide by a world size of 3'],
  ])('says what is wrong with %o', async (options, message) => {
    const { open } = setUp();
    await expect(open(options as Partial<LoaderOptions>)).rejects.toThrow(message);
  });

  it('delivers fields, parameters and substitutions by row', async () => {
    const { clock, open } = setUp();
    const loader = await open({ params: true, excludeFields: ['score'] });
    const batches = await outcome(clock, draw(loader));
    const batch = batches.find(({ substitutions }) => substitutions.length > 0)!;
    expect([...batch.fields.keys()]).toEqual(['path']);
    const [substitution] = batch.substitutions;
    expect(substitution).toMatchObject({ originalIndex: 39, deliveredIndex: 3, code: 'SAMPLE_UNDECODABLE' });
    expect(Number(batch.indices[substitution!.row])).toBe(3);
    expect(batch.params?.get('global_0')?.row(substitution!.row)).toMatchObject({ box_x: 3, flip: null });
    expect(batch.params?.has('local_0')).toBe(false);
  });

  it('gives views by name, as a list, and split', async () => {
    const { clock, open } = setUp();
    const [batch] = await outcome(clock, draw(await open(), 1));
    expect(batch!.view('global_0')).toMatchObject({ dtype: 'uint8', shape: [8, 3, 2, 2] });
    expect(batch!.asList()).toEqual([batch!.view('global_0'), batch!.view('local_0')]);
    expect(batch!.splitCrops()).toEqual({
      globals: [batch!.view('global_0')],
      locals: [batch!.view('local_0')],
    });
    expect(() => batch!.view('global_1')).toThrow(/view: global_1 .* one of global_0, local_0/);
  });

  it('splits by size where no view is named global', async () => {
    const run = new FakeRun();
    const [large, small] = run.info.views;
    run.info.views = [
      { ...small!, name: 'a' },
      { ...large!, name: 'b' },
      { ...large!, name: 'c' },
    ];
    const { BatchBuilder } = await import('./core/assembly.js');
    const { TensorPool } = await import('./core/tensor-pool.js');
    const { describeRun } = await import('./core/run.js');
    const selection = { params: false, excludeFields: new Set<string>() };
    const batch = new BatchBuilder(
      describeRun(run.info),
      selection,
      { epoch: 0, step: 0, globalStep: 0 },
      2,
      new TensorPool(0),
    ).finish();
    expect(batch.splitCrops()).toEqual({
      globals: [batch.view('b'), batch.view('c')],
      locals: [batch.view('a')],
    });
  });

  it('yields memory that nothing else writes to', async () => {
    const { clock, run, open } = setUp();
    const batches = await outcome(clock, draw(await open({ endless: true }), 12));
    for (const batch of batches) expectExact(run, batch, batch.globalStep);
    const buffers = batches.flatMap((batch) => batch.asList().map(({ data }) => data.buffer));
    expect(new Set(buffers).size).toBe(24);
  });

  it('writes later batches to memory that was given back, which its former owner sees no more', async () => {
    const { clock, run, open } = setUp();
    const loader = await open({ endless: true });
    const drawn = async () => (await outcome(clock, draw(loader, 1)))[0]!;
    const kept = await drawn();
    for (let step = 1; step < 12; step++) {
      const batch = await drawn();
      expectExact(run, batch, step);
      const views = batch.asList();
      const indices = [...batch.indices];
      batch.release();
      batch.release();
      expect(views.map(({ data }) => data.length)).toEqual(views.map(() => 0));
      expect([...batch.indices]).toEqual(indices);
    }
    expectExact(run, kept, 0);
  });

  it('throws CANCELLED to whoever waits when aborted or closed', async () => {
    const { clock, open } = setUp(new FakeRun(), { make: () => 1e9 });
    const controller = new AbortController();
    const waiting = draw(await open({ signal: controller.signal }));
    controller.abort();
    await expect(outcome(clock, waiting)).rejects.toMatchObject({ code: 'CANCELLED' });
    const loader = await open();
    const drawing = expect(draw(loader)).rejects.toMatchObject({ code: 'CANCELLED' });
    await outcome(clock, loader.close());
    await outcome(clock, drawing);
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('StreamDigest', () => {
  it('is SHA-256 over views, indices, labels and the fields by name', async () => {
    const { clock, run, open } = setUp();
    const loader = await open();
    const digest = new StreamDigest();
    const hash = createHash('sha256');
    const bytes = (values: { buffer: ArrayBufferLike }) => Buffer.from(values.buffer);
    for (const batch of await outcome(clock, draw(loader))) {
      digest.update(batch);
      const ids = run.idsOf(batch.globalStep, 0, 1);
      hash.update(Buffer.from(ids.flatMap((id) => run.globalBytes(batch.epoch, id))));
      hash.update(bytes(Float32Array.from(ids.flatMap((id) => [id, batch.epoch, 0.5]))));
      hash.update(bytes(BigInt64Array.from(ids, BigInt)));
      hash.update(bytes(BigInt64Array.from(ids, (id) => BigInt(id % 2))));
      for (const path of ids.map(pathOf)) {
        hash.update(bytes(Uint32Array.of(Buffer.byteLength(path)))).update(path);
      }
      hash.update(bytes(Float64Array.from(ids, (id) => id / 4)));
    }
    expect(digest.hex()).toBe(hash.copy().digest('hex'));
    expect(digest.hex()).toBe(hash.digest('hex'));
  });
});
