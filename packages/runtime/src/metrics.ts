import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';

/** A registry that refuses a metric whose name breaks Prometheus' habits. */
class CheckedRegistry extends Registry {
  override registerMetric<T extends string>(metric: Metric<T>): void {
    const { name } = metric as unknown as { readonly name: string };
    if (!/^(process|nodejs)_/.test(name)) check(name, metric instanceof Counter);
    super.registerMetric(metric);
  }
}

/**
 * The metrics of one process, Node's own (memory, event loop lag, garbage collection) among them. Ours are named
 * `cropstream_<part>_<what>`, in base units (`_seconds`, `_bytes`, `_ratio`), counters and they alone with `_total`
 * behind; another name is a defect, a TypeError when the metric is made.
 */
export function createRegistry(): Registry {
  const registry = new CheckedRegistry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Exports configured limits as a gauge `name`, by their names; durations are in milliseconds. */
export function exportLimits(registry: Registry, name: string, help: string, limits: object): void {
  const gauge = new Gauge({ name, help, labelNames: ['limit'], registers: [registry] });
  for (const [limit, value] of Object.entries(limits)) gauge.set({ limit }, value);
}

function check(name: string, isCounter: boolean): void {
  if (!/^cropstream(_[a-z][a-z0-9]*)+$/.test(name)) {
    throw new TypeError(`the metric ${name} is not named cropstream_<part>_<what>`);
  }
  if (name.endsWith('_total') !== isCounter) {
    throw new TypeError(`the metric ${name}: counters end with _total, and only they`);
  }
  if (/_(ms|milliseconds|minutes|[kmg]i?b|percent)(_total)?$/.test(name)) {
    throw new TypeError(`the metric ${name} is not in base units: seconds, bytes or a ratio`);
  }
}
