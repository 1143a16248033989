import type { Worker } from '@cropstream/api';
import { expect, test } from 'vitest';
import { RateMeter } from './rates.js';

const worker = (
  id: string,
  samples: number,
  busy = 0,
  runs: Record<string, number> = { d: samples },
): Worker => ({
  id,
  address: `${id}:7410`,
  tls_name: '',
  process: 'p',
  version: '0.1.0',
  fingerprint: 'f',
  slots: 4,
  outbox_bytes: 0,
  outbox_limit_bytes: 1,
  samples_total: samples,
  chunks_total: 0,
  bytes_total: 0,
  busy_seconds_total: busy,
  runs: Object.entries(runs).map(([run_digest, samples_total]) => ({ run_digest, samples_total })),
});

test('a rate is a difference over the last seconds', () => {
  const meter = new RateMeter();
  expect(meter.rates()).toBeNull();
  for (let at = 0; at <= 20; at++) meter.add(at, [worker('a', at < 10 ? 0 : (at - 10) * 64, at)]);
  const rates = meter.rates();
  expect(rates?.total).toBeCloseTo(64);
  expect(rates?.byWorker.get('a')?.busy).toBeCloseTo(1 / 4);
  expect(rates?.byDigest.get('d')).toBeCloseTo(64);
});

test('workers come, go and start again without a spike', () => {
  const meter = new RateMeter();
  meter.add(1, [worker('a', 100), worker('b', 1_000_000)]);
  meter.add(2, [worker('a', 150), worker('c', 5_000)]);
  expect(meter.rates()?.total).toBe(50);
  meter.add(3, [worker('a', 20), worker('c', 5_010)]);
  expect(meter.rates()?.total).toBe(10);
});

test('a run counts from its first sample, over all workers', () => {
  const meter = new RateMeter();
  meter.add(1, [worker('a', 10, 0, { x: 10 }), worker('b', 10, 0, { x: 10 })]);
  meter.add(3, [worker('a', 30, 0, { x: 20, y: 10 }), worker('b', 20, 0, { x: 20 })]);
  expect([...(meter.rates()?.byDigest ?? [])]).toEqual([
    ['x', 10],
    ['y', 5],
  ]);
});

test('a snapshot that came twice counts once', () => {
  const meter = new RateMeter();
  meter.add(1, [worker('a', 10)]);
  meter.add(1, [worker('a', 10)]);
  expect(meter.rates()).toBeNull();
});
