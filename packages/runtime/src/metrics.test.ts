import { Counter, Gauge, Histogram } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createRegistry } from './index.js';

const help = 'For a test.';

describe('createRegistry', () => {
  it("gives what Prometheus reads, the process's own metrics among it", async () => {
    const registry = createRegistry();
    new Counter({ name: 'cropstream_test_chunks_total', help, registers: [registry] }).inc(3);
    const text = await registry.metrics();
    expect(text).toContain('cropstream_test_chunks_total 3');
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('refuses names that break the habits', () => {
    const registers = [createRegistry()];
    expect(() => new Counter({ name: 'cropstream_chunks', help, registers })).toThrow('_total');
    expect(() => new Gauge({ name: 'cropstream_chunks_total', help, registers })).toThrow('_total');
    expect(() => new Gauge({ name: 'chunks', help, registers })).toThrow('cropstream_');
    expect(() => new Histogram({ name: 'cropstream_wait_ms', help, registers })).toThrow('base units');
    expect(() => new Gauge({ name: 'cropstream_outbox_mib', help, registers })).toThrow('base units');
  });

  it('keeps registries apart', async () => {
    const [one, two] = [createRegistry(), createRegistry()];
    new Gauge({ name: 'cropstream_test_workers', help, registers: [one] });
    expect(one.getSingleMetric('cropstream_test_workers')).toBeDefined();
    expect(two.getSingleMetric('cropstream_test_workers')).toBeUndefined();
  });
});
