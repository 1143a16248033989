import type { SampleReader } from '@cropstream/datasets';
import { expect, it } from 'vitest';
import { folderOf, image, runOver } from '../test-support/dataset.js';
import { Budget } from './budget.js';
import type { ImageBatch } from './compute-pool.js';
import { SampleMaker } from './sample-maker.js';
import type { SharedParts } from './shared-parts.js';
import { TimelineRecorder } from './timeline.js';

it('refuses a file by its size before it waits for room or reads a byte', async () => {
  const url = folderOf({ 'a.jpg': await image(1), 'long.jpg': Buffer.alloc(5000) });
  const run = await runOver(url, { on_bad_sample: 'fail', limits: { max_bytes: 4000 } });
  const reader: SampleReader = {
    size: async () => 5000,
    read: () => expect.unreachable('it was read'),
    head: () => expect.unreachable('it was read'),
    close: async () => {},
  };
  const encoded = new Budget(100);
  await encoded.take(100);
  const budgets = { samples: new Budget(1), encoded };
  const shared = { budgets } as Partial<SharedParts> as SharedParts;
  const maker = new SampleMaker(run.spec, run.manifest, reader, shared);
  const batch = { epoch: 0 } as ImageBatch;
  await expect(
    maker.make(batch, 0, 1, new AbortController().signal, new TimelineRecorder()),
  ).rejects.toMatchObject({
    code: 'SAMPLE_OVER_LIMIT',
    details: { path: 'class-0/long.jpg', value: 5000, limit: 4000 },
  });
});
