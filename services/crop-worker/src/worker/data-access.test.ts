import { expect, it } from 'vitest';
import { dataAccess } from './data-access.js';

it('tells what is kept of shards, beside the limit', () => {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const { open, used, limits } = dataAccess({ dataLimits: { shardMemoryBytes: 3000 } }, log);
  expect(limits.shardMemoryBytes).toBe(3000);
  expect(used()).toEqual({ shardMemoryBytes: 0 });
  open.memory?.tables.keep({ bytes: 100, dropped() {} });
  open.memory?.contents.keep({ bytes: 1000, dropped() {} });
  expect(used()).toEqual({ shardMemoryBytes: 1100 });
});
