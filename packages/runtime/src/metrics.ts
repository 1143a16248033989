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

/** Exports whether Redis answers a service, asked at each scrape. */
export function exportRedis(registry: Registry, isReady: () => boolean): void {
  const up: Gauge = new Gauge({
    name: 'cropstream_redis_up',
    help: 'Whether Redis answers this service: 1 or 0.',
    registers: [registry],
    collect: () => up.set(isReady() ? 1 : 0),
  });
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
