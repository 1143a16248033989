import { createRegistry } from '@cropstream/runtime';
import { expect, it, vi } from 'vitest';
import { dataAccess } from './data-access.js';
import { workerMetrics } from './metrics.js';

it("exports what is kept of shards, beside the limit, as each cell's gauges", async () => {
  const registry = createRegistry();
  const emit = vi.fn(workerMetrics(registry)(1));
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const { open, report } = dataAccess({ dataLimits: { shardMemoryBytes: 3000 } }, log);
  const gauges = async () => {
    const text = await registry.metrics();
    return text.split('\n').filter((line) => line.startsWith('cropstream_worker_shard_memory'));
  };
  report(emit);
  expect(await gauges()).toEqual([
    'cropstream_worker_shard_memory_bytes{cell="1"} 0',
    'cropstream_worker_shard_memory_limit_bytes{cell="1"} 3000',
  ]);
  open.memory?.tables.keep({ bytes: 100, dropped() {} });
  open.memory?.contents.keep({ bytes: 1000, dropped() {} });
  report(emit);
  expect(await gauges()).toContain('cropstream_worker_shard_memory_bytes{cell="1"} 1100');
  // Nothing new, nothing told: it crosses threads.
  report(emit);
  expect(emit).toHaveBeenCalledTimes(2);
});
