import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { OTHERS, Series } from './series.js';

const runs = (max = 10) => {
  const registry = new Registry();
  const series = new Series({ registry, labels: ['owner', 'run'], max });
  return {
    registry,
    series,
    samples: series.counter('cropstream_test_samples_total', 'For a test.'),
    attached: series.gauge('cropstream_test_attached', 'For a test.'),
    waits: series.histogram('cropstream_test_wait_seconds', 'For a test.', [1, 2]),
  };
};
const run = (name: string) => ({ owner: 'vision', run: name });

describe('Series', () => {
  it('removes every line of what is there no more', async () => {
    const { registry, series, samples, attached, waits } = runs();
    for (const name of ['one', 'two']) {
      const labels = series.of({ ...run(name), more: 'left out' } as never);
      samples.inc(labels, 3);
      attached.set(labels, 1);
      waits.observe(labels, 1.5);
    }
    expect(await registry.metrics()).toContain('run="one"');
    series.retain([run('two')]);
    const text = await registry.metrics();
    expect(text).not.toContain('run="one"');
    expect(text).toContain('cropstream_test_samples_total{owner="vision",run="two"} 3');
    expect(text).toContain('cropstream_test_wait_seconds_count{owner="vision",run="two"} 1');
  });

  it('keeps owners of one run name apart', () => {
    const { series } = runs();
    expect(series.of({ owner: 'a', run: 'x' })).not.toEqual(series.of({ owner: 'b', run: 'x' }));
  });

  it('never has more series than it may, and loses nothing of the sum', async () => {
    const names = fc.array(fc.string(), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(names, fc.integer({ min: 1, max: 8 }), async (given, max) => {
        const { series, samples } = runs(max);
        for (const name of given) samples.inc(series.of(run(name)));
        const { values } = await samples.get();
        expect(values.filter(({ labels }) => labels.run !== OTHERS).length).toBeLessThanOrEqual(max);
        expect(values.length).toBeLessThanOrEqual(max + 1);
        expect(values.reduce((sum, { value }) => sum + value, 0)).toBe(given.length);
        series.retain([]);
        const left = (await samples.get()).values;
        expect(left.every(({ labels }) => labels.run === OTHERS)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
