// Writes the table of metrics in docs/observability.md from the metrics that the services make. With --check it writes
// nothing and fails where the page is not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { HTTP_LIMITS } from '../packages/runtime/dist/http/limits.js';
import {
  DEFAULT_GRPC_LIMITS,
  exportRedis,
  LimitMetrics,
  ServerCertificates,
} from '../packages/runtime/dist/index.js';
import { observeApi } from '../services/coordinator/dist/http/metrics.js';
import { DEFAULT_LIMITS } from '../services/coordinator/dist/limits.js';
import { observe } from '../services/coordinator/dist/metrics.js';
import { observeRelays } from '../services/coordinator/dist/relay/metrics.js';
import { workerMetrics } from '../services/crop-worker/dist/worker/metrics.js';

const page = join(import.meta.dirname, '..', 'docs', 'observability.md');
const current = readFileSync(page, 'utf8');
const limits = { ...DEFAULT_LIMITS, ...DEFAULT_GRPC_LIMITS };
const silent = { info() {}, warn() {}, error() {} };

/** @param {(registry: Registry) => unknown} make */
function table(make) {
  const registry = new Registry();
  make(registry);
  const rows = registry.getMetricsAsArray().map(({ name, help, type, labelNames }) => {
    const labels = labelNames.length > 0 ? `{${labelNames.join(', ')}}` : '';
    return `| \`${name}${labels}\` | ${type} | ${help} |`;
  });
  return ['| metric | type | |', '|---|---|---|', ...rows.sort(), ''].join('\n');
}

let text = current;
for (const [name, rows] of [
  [
    'coordinator',
    table((registry) => {
      observe({ registry, log: silent, limits, fingerprint: '', connections: () => null });
      observeRelays(registry);
      observeApi({ registry, studio: { waiting: 0, counts: {} } }, { subscribers: 0, dropped: 0 });
    }),
  ],
  ['worker', table((registry) => workerMetrics(registry, ''))],
  [
    'both',
    table((registry) => {
      exportRedis(registry, () => true);
      new LimitMetrics(registry, 'http', HTTP_LIMITS);
      ServerCertificates.prototype.observe.call({}, registry);
    }),
  ],
]) {
  const [begin, end] = [`<!-- metrics: ${name} -->\n`, '<!-- end -->'];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/observability.md has no place for the metrics of ${name}`);
  text = `${text.slice(0, from)}${begin}\n${rows}\n${text.slice(to)}`;
}
if (process.argv.includes('--check')) {
  if (text !== current) {
    console.error('docs/observability.md is not current: run node scripts/docs-metrics.mjs');
    process.exit(1);
  }
} else writeFileSync(page, text);
