import type { VirtualClock } from '@cropstream/runtime/testing';
import { expect } from 'vitest';
import type { Batch } from '../core/batch.js';
import { describeRun } from '../core/run.js';
import { BatchStream, type StreamOptions } from '../core/stream.js';
import type { FakeFleet } from './fake-fleet.js';
import { type FakeRun, pathOf } from './fake-run.js';

export const LIMIT_MS = 600_000;

/** Lets a promise run on virtual time; gives its value or throws what it threw. */
export async function outcome<T>(clock: VirtualClock, promise: Promise<T>, limitMs = LIMIT_MS): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  await clock.runUntil(() => settled, limitMs);
  return promise;
}

export function openStream(
  fleet: FakeFleet,
  clock: VirtualClock,
  options: Partial<Omit<StreamOptions, 'identity'>> & {
    rank?: number;
    worldSize?: number;
    takeover?: boolean;
  } = {},
): BatchStream {
  const { rank = 0, worldSize = 1, takeover = false, ...rest } = options;
  return new BatchStream({
    transport: fleet,
    clock,
    random: () => 0.5,
    run: describeRun(fleet.run.info),
    identity: {
      rank,
      worldSize,
      consumer: 'job',
      process: 'p1',
      host: 'h',
      pid: 7,
      takeover,
      allowUneven: true,
    },
    startStep: 0,
    endStep: null,
    prefetch: { steps: 3, bytes: null },
    selection: { params: false, excludeFields: new Set() },
    relay: 'auto',
    relaying() {},
    timeoutMs: 60_000,
    ...rest,
  });
}

/** That a batch is exactly what the run holds at that step for that rank. */
export function expectExact(run: FakeRun, batch: Batch, globalStep: number, rank = 0, worldSize = 1): void {
  const ids = run.idsOf(globalStep, rank, worldSize);
  expect(batch.globalStep).toBe(globalStep);
  expect([...batch.indices].map(Number)).toEqual(ids);
  expect([...batch.labels].map(Number)).toEqual(ids.map((id) => id % 2));
  expect([...batch.view('global_0').data]).toEqual(ids.flatMap((id) => run.globalBytes(batch.epoch, id)));
  expect([...batch.view('local_0').data]).toEqual(ids.flatMap((id) => [id, batch.epoch, 0.5]));
  expect(batch.fields.get('path')).toEqual(ids.map(pathOf));
  expect([...(batch.fields.get('score') as Float64Array)]).toEqual(ids.map((id) => id / 4));
}
