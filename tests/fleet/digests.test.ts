import { rmSync } from 'node:fs';
import { type Batch, MultiCropLoader } from '@cropstream/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { globalDigest, joined } from '../integration/global-stream.js';
import { metric, until } from '../processes.mjs';
import { Fleet, Trainer } from './fleet.js';

const STEPS = 12;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start({ workers: 1, coordinators: 1 });
}, 60_000);

afterAll(async () => {
  await fleet?.stop();
  if (fleet) rmSync(fleet.folder, { recursive: true, force: true });
});

const draw = async (consumer: string) => (await Trainer.open(fleet.target, consumer, STEPS)).draw();

/** Steps [from, to) of all ranks of a world, each step's slices joined in rank order. */
async function drawWorld(consumer: string, worldSize: number, from: number, to: number): Promise<Batch[]> {
  const ranks = await Promise.all(
    Array.from({ length: worldSize }, async (_, rank) => {
      const place = { rank, worldSize, startStep: from, endStep: to };
      const loader = await MultiCropLoader.open({
        ...{ target: fleet.target, run: 'fleet', consumer, endless: true, ...place },
      });
      const batches: Batch[] = [];
      for await (const batch of loader) batches.push(batch);
      await loader.close();
      return batches;
    }),
  );
  return Array.from({ length: to - from }, (_, at) => joined(ranks.map((batches) => batches[at] as Batch)));
}

describe('one stream', () => {
  test('from one process, or from a fleet of one worker or of eight', async () => {
    const embedded = await fleet.embeddedDigest(STEPS);
    expect(await draw('one')).toBe(embedded);
    const more = await fleet.addWorker({ CROPSTREAM_CELLS: '7', CROPSTREAM_THREADS: '7' });
    await until('eight workers are admitted', async () => {
      const workers = await fleet.store.workers();
      const verdicts = await Promise.all(workers.map(({ id }) => fleet.store.verdict(id)));
      return workers.length === 8 && verdicts.every((verdict) => verdict?.admitted);
    });
    expect(await draw('eight')).toBe(embedded);
    expect(await metric(more.ready.http, 'cropstream_worker_chunks_made_total')).toBeGreaterThan(0);
  });

  test('for worlds of 1, 2, 4 and 8 ranks, and for one that changes on the way', async () => {
    const streams = [];
    for (const worldSize of [1, 2, 4, 8]) {
      streams.push(await drawWorld(`world-${worldSize}`, worldSize, 0, STEPS));
    }
    const before = await drawWorld('changing', 2, 0, STEPS / 2);
    streams.push([...before, ...(await drawWorld('changing', 8, STEPS / 2, STEPS))]);
    const digests = streams.map((steps) => globalDigest([steps]));
    expect(digests[0]).toBe(await draw('whole'));
    expect(new Set(digests).size).toBe(1);
  });
});
