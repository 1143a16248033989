import { failure } from '@cropstream/errors';
import { systemClock } from '@cropstream/runtime';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { StreamDigest } from './digest.js';
import { MultiCropLoader } from './loader.js';
import { expectExact } from './test/checks.js';
import { FakeFleet, type Fates, KIND_FATES } from './test/fake-fleet.js';
import { FakeRun } from './test/fake-run.js';
import { type GrpcServer, serveCoordinator, serveWorker } from './test/grpc-fleet.js';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

async function serve(fates: Partial<Fates> = {}, run = new FakeRun()) {
  const fleet = new FakeFleet(run, systemClock, { ...KIND_FATES, ...fates });
  const coordinator = await serveCoordinator(fleet);
  const workers = new Map<string, GrpcServer>();
  for (const id of ['w1', 'w2', 'w3']) workers.set(id, await serveWorker(fleet));
  fleet.addressOf = (id) => workers.get(id)!.address;
  cleanUp.push(
    () => coordinator.kill(),
    () => [...workers.values()].map((worker) => worker.kill()),
  );
  return { fleet, run, coordinator, workers };
}

async function open(target: string, options = {}) {
  const loader = await MultiCropLoader.open({ target, rank: 0, worldSize: 1, ...options });
  cleanUp.push(() => loader.close());
  return loader;
}

describe('over gRPC', () => {
  it('draws two epochs from several workers, the same each time', async () => {
    const { run, coordinator } = await serve({ make: () => Math.floor(Math.random() * 20) });
    const digests: string[] = [];
    for (let round = 0; round < 2; round++) {
      const loader = await open(coordinator.address);
      const digest = new StreamDigest();
      let step = 0;
      for (let epoch = 0; epoch < 2; epoch++) {
        for await (const batch of loader) {
          expectExact(run, batch, step++);
          digest.update(batch);
        }
      }
      expect(step).toBe(2 * loader.length);
      digests.push(digest.hex());
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('draws the same while workers fail and the coordinator’s streams are cut', async () => {
    let fetches = 0;
    const fates = ['ok', 'cut', 'ok', 'damaged', 'not-found', 'ok', 'ok'] as const;
    const { run, fleet, coordinator, workers } = await serve({
      fetch: () => fates[fetches++ % fates.length] ?? 'ok',
    });
    // Short of the epoch's end when the stream is cut, so that the rest needs another.
    const loader = await open(coordinator.address, { prefetch: { steps: 1 } });
    let step = 0;
    for await (const batch of loader) {
      expectExact(run, batch, step++);
      if (step === 2) {
        workers.get('w1')?.kill();
        workers.set('w1', await serveWorker(fleet));
      }
      if (step === 3) fleet.kill();
    }
    expect(step).toBe(5);
    expect(fleet.attaches).toHaveLength(2);
  });

  it('carries errors of the table whole', async () => {
    const { fleet, coordinator } = await serve();
    fleet.knowsRun = false;
    await expect(open(coordinator.address, { run: 'nope' })).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
      details: { run: 'nope', known: 'none' },
    });
    fleet.knowsRun = true;
    fleet.refusal = failure('RANK_TAKEN', { rank: 0, consumer: 'default', host: 'node7', pid: 41 });
    await expect(open(coordinator.address)).rejects.toThrow(/node7 pid 41/);
  });

  it('says that nobody listens', async () => {
    const { coordinator } = await serve();
    coordinator.kill();
    const opening = open(coordinator.address, { timeoutMs: 300 });
    await expect(opening).rejects.toMatchObject({
      code: 'UNREACHABLE',
      details: { target: coordinator.address },
    });
  });

  it('opens a run from a spec', async () => {
    const { fleet, coordinator } = await serve();
    const spec = { name: 'fake', dataset: { source: 'image-folder', url: '/data' } };
    const loader = await open(coordinator.address, { spec });
    expect(fleet.opened.map((json) => JSON.parse(json))).toEqual([spec]);
    expect(loader.run).toMatchObject({ name: 'fake', samples: 40, stepsPerEpoch: 5 });
  });

  it('gives up opening a run when aborted, however long the service indexes', async () => {
    const { fleet, coordinator } = await serve();
    const controller = new AbortController();
    fleet.openRun = () => {
      controller.abort();
      return new Promise(() => {});
    };
    const opening = open(coordinator.address, { spec: { name: 'fake' }, signal: controller.signal });
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('leaves no stream behind once closed or aborted', async () => {
    const { coordinator } = await serve();
    const loader = await open(coordinator.address);
    expect(coordinator.attached()).toBe(1);
    await loader.close();
    await vi.waitUntil(() => coordinator.attached() === 0, 20_000);
    const controller = new AbortController();
    await open(coordinator.address, { signal: controller.signal });
    controller.abort();
    await vi.waitUntil(() => coordinator.attached() === 0, 20_000);
  });
});
