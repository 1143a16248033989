import type { Store } from '@cropstream/broker';
import { expect, it } from 'vitest';
import type { RunBook } from './run-book.js';
import { Wants } from './wants.js';

const PLAN = { samples: 64, globalBatchSize: 8, dropLast: true, stepsPerEpoch: 8 };

function wantsOf(windows: readonly { nextStep: number; windowEnd: number }[]): Wants {
  const attachments = async () => windows.map((window) => ({ rank: 0, worldSize: 1, ...window }));
  const store = { attachments } as unknown as Store;
  return new Wants(store, { shape: () => ({ plan: PLAN, chunkSize: 4 }) } as unknown as RunBook);
}

it('knows which chunks lie beyond all that was wanted at its last look', async () => {
  const wants = wantsOf([
    { nextStep: 6, windowEnd: 9 },
    { nextStep: 0, windowEnd: 2 },
  ]);
  await wants.refreshRun('r');
  expect(wants.has('r', '1-4-8')).toBe(true);
  expect(wants.isBeyond('r', { epoch: 1, first: 4, last: 8 })).toBe(false);
  expect(wants.isBeyond('r', { epoch: 1, first: 8, last: 12 })).toBe(true);
  expect(wants.isBeyond('r', { epoch: 2, first: 0, last: 4 })).toBe(true);
  // Between the windows: passed over, or asked for since.
  expect(wants.isBeyond('r', { epoch: 0, first: 16, last: 20 })).toBe(false);
});

it('calls nothing beyond where nothing is wanted, or nothing is known', async () => {
  const wants = wantsOf([]);
  expect(wants.isBeyond('r', { epoch: 0, first: 0, last: 4 })).toBe(false);
  await wants.refreshRun('r');
  expect(wants.isBeyond('r', { epoch: 0, first: 0, last: 4 })).toBe(false);
});
