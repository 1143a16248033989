import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@cropstream/runtime';
import { expect, it } from 'vitest';
import { train } from '../../../examples/typescript/train.js';
import { FakeFleet } from './test/fake-fleet.js';
import { FakeRun } from './test/fake-run.js';
import { serveCoordinator, serveWorker } from './test/grpc-fleet.js';

it('examples/typescript/train.ts trains, checkpoints, and goes on where it was', async () => {
  const fleet = new FakeFleet(new FakeRun(), systemClock);
  const coordinator = await serveCoordinator(fleet);
  const worker = await serveWorker(fleet);
  fleet.addressOf = () => worker.address;
  const folder = await mkdtemp(join(tmpdir(), 'cropstream-example-'));
  const checkpoint = join(folder, 'checkpoint.json');
  try {
    await train(coordinator.address, checkpoint, 1);
    const first = JSON.parse(await readFile(checkpoint, 'utf8'));
    expect(first.loader.global_step).toBe(5);
    await train(coordinator.address, checkpoint, 2);
    expect(fleet.attaches.at(-1)?.progress?.nextStep).toBe(5n);
    expect(JSON.parse(await readFile(checkpoint, 'utf8')).loader.global_step).toBe(10);
  } finally {
    worker.kill();
    coordinator.kill();
    await rm(folder, { recursive: true });
  }
});
