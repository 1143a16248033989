import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { temporaryFolder } from '../integration/harness.js';
import { alerts, operations, RULES } from './files.js';

/** A series and its values a minute, in promtool's notation. */
type Series = readonly [series: string, values: string];

interface Case {
  /** What makes it fire within the three hours that are looked at, and it alone. */
  readonly fires: readonly Series[];
  /** What comes near and leaves it quiet. */
  readonly quiet: readonly Series[];
}

const RUN = 'namespace="n",owner="vision",run="r"';
const at = (name: string, labels = 'namespace="n",instance="i"') => `${name}{${labels}}`;
const coordinator = (name: string, labels?: string) => at(`cropstream_coordinator_${name}`, labels);
const worker = (name: string, labels?: string) => at(`cropstream_worker_${name}`, labels);
const steady = (value: number): string => `${value}x180`;
const growing = (by: number): string => `0+${by}x180`;

/** A healthy fleet, to which each case adds. */
const HEALTHY: readonly Series[] = [
  [coordinator('info', 'namespace="n",instance="i",job="c",version="1"'), steady(1)],
];

const CASES: Readonly<Record<string, Case>> = {
  CropstreamNoCoordinator: { fires: [], quiet: HEALTHY },
  CropstreamNoWorkers: {
    fires: [...HEALTHY, [coordinator('workers'), steady(0)]],
    // A coordinator that has just started has not looked yet; the others have.
    quiet: [
      ...HEALTHY,
      [coordinator('workers'), steady(0)],
      [coordinator('workers', 'namespace="n",instance="j"'), steady(2)],
    ],
  },
  CropstreamRedisAway: {
    fires: [...HEALTHY, [at('cropstream_redis_up'), steady(0)]],
    quiet: [...HEALTHY, [at('cropstream_redis_up'), steady(1)]],
  },
  CropstreamRunWithoutWorkers: {
    fires: [
      ...HEALTHY,
      [coordinator('run_workers', RUN), steady(0)],
      [coordinator('run_attachments', RUN), steady(1)],
      [coordinator('run_samples_total', RUN), growing(10)],
    ],
    quiet: [
      ...HEALTHY,
      [coordinator('run_workers', RUN), steady(0)],
      [coordinator('run_attachments', RUN), steady(0)],
    ],
  },
  CropstreamRunStalled: {
    fires: [...HEALTHY, [coordinator('run_attachments', RUN), steady(8)]],
    quiet: [
      ...HEALTHY,
      [coordinator('run_attachments', RUN), steady(8)],
      [coordinator('run_samples_total', RUN), growing(10)],
    ],
  },
  CropstreamTrainersStarve: {
    fires: [
      ...HEALTHY,
      [coordinator('run_waited_seconds_total', RUN), growing(30)],
      [coordinator('run_step_seconds_total', RUN), growing(60)],
    ],
    quiet: [
      ...HEALTHY,
      [coordinator('run_waited_seconds_total', RUN), growing(6)],
      [coordinator('run_step_seconds_total', RUN), growing(60)],
    ],
  },
  CropstreamWorkersShort: {
    fires: [
      ...HEALTHY,
      [coordinator('desired_workers'), steady(9)],
      [coordinator('worker_processes'), steady(4)],
    ],
    quiet: [
      ...HEALTHY,
      [coordinator('desired_workers'), steady(4.4)],
      [coordinator('worker_processes'), steady(4)],
    ],
  },
  CropstreamWorkersDie: {
    fires: [...HEALTHY, [coordinator('worker_deaths_total'), growing(1)]],
    quiet: [...HEALTHY, [coordinator('worker_deaths_total'), '0x90 2x90']],
  },
  CropstreamChunksFail: {
    fires: [...HEALTHY, [worker('chunk_failures_total', 'namespace="n",code="SAMPLE_IO"'), growing(1)]],
    quiet: [...HEALTHY, [worker('chunk_failures_total', 'namespace="n",code="SAMPLE_IO"'), steady(7)]],
  },
  CropstreamBadSamples: {
    fires: [
      ...HEALTHY,
      [worker('run_substitutions_total', RUN), growing(5)],
      [worker('run_samples_total', RUN), growing(100)],
    ],
    quiet: [
      ...HEALTHY,
      [worker('run_substitutions_total', RUN), growing(5)],
      [worker('run_samples_total', RUN), growing(10_000)],
    ],
  },
  CropstreamDamagedChunks: {
    fires: [...HEALTHY, [coordinator('nacks_total', 'namespace="n",reason="damaged"'), '0x90 1x90']],
    quiet: [...HEALTHY, [coordinator('nacks_total', 'namespace="n",reason="not_found"'), growing(1)]],
  },
  CropstreamUnreachableWorkers: {
    fires: [...HEALTHY, [coordinator('nacks_total', 'namespace="n",reason="unreachable"'), growing(60)]],
    quiet: [...HEALTHY, [coordinator('nacks_total', 'namespace="n",reason="unreachable"'), growing(1)]],
  },
  CropstreamLimitNear: {
    fires: [
      ...HEALTHY,
      [coordinator('limit_used', 'namespace="n",instance="i",limit="max_runs"'), steady(950)],
      [coordinator('limit', 'namespace="n",instance="i",limit="max_runs"'), steady(1000)],
    ],
    // Every thread at work is what a worker is for.
    quiet: [
      ...HEALTHY,
      [worker('limit_used', 'namespace="n",instance="i",limit="jobs"'), steady(2)],
      [worker('limit', 'namespace="n",instance="i",limit="jobs"'), steady(2)],
    ],
  },
  CropstreamPassesFail: {
    fires: [...HEALTHY, [coordinator('pass_failures_total'), growing(1)]],
    quiet: [...HEALTHY, [coordinator('pass_failures_total'), steady(3)]],
  },
  CropstreamEventLoopHeld: {
    fires: [
      ...HEALTHY,
      [at('nodejs_eventloop_lag_p99_seconds', 'namespace="n",instance="i",job="c"'), steady(0.5)],
    ],
    quiet: [
      ...HEALTHY,
      [at('nodejs_eventloop_lag_p99_seconds', 'namespace="n",instance="x",job="other"'), steady(9)],
    ],
  },
  CropstreamStorageRetries: {
    fires: [
      ...HEALTHY,
      [worker('storage_retries_total'), growing(20)],
      [worker('storage_requests_total'), growing(100)],
    ],
    quiet: [
      ...HEALTHY,
      [worker('storage_retries_total'), growing(1)],
      [worker('storage_requests_total'), growing(100)],
    ],
  },
  CropstreamCertificateEnds: {
    fires: [...HEALTHY, [at('cropstream_tls_certificate_expiry_timestamp_seconds'), steady(500_000)]],
    quiet: [...HEALTHY, [at('cropstream_tls_certificate_expiry_timestamp_seconds'), steady(5_000_000)]],
  },
  CropstreamVersions: {
    fires: [...HEALTHY, [worker('info', 'namespace="n",instance="w",job="w",version="2"'), steady(1)]],
    quiet: [...HEALTHY, [worker('info', 'namespace="n",instance="w",job="w",version="1"'), steady(1)]],
  },
};

const promtool = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
};

describe('the alerts', () => {
  it('are rules that Prometheus takes', () => {
    expect(promtool('check', 'rules', RULES)).toMatchObject({ status: 0 });
  });

  it.each(alerts)('say how bad it is and what to do: $alert', (rule) => {
    expect(rule.alert).toMatch(/^Cropstream[A-Z][A-Za-z]+$/);
    expect(rule.for).toMatch(/^\d+[smh]$/);
    expect(['critical', 'warning', 'info']).toContain(rule.labels.severity);
    expect(rule.annotations.summary).not.toBe('');
    expect(rule.annotations.description).not.toBe('');
    const [page, anchor] = rule.annotations.runbook_url.split('#');
    expect(page).toBe('docs/operations.md');
    const heading = operations.split('\n').find((line) => /^#+ /.test(line) && slug(line) === anchor);
    expect(heading).toBeDefined();
    expect(operations).toContain(
      `**${rule.labels.severity}.** ${rule.annotations.description.split(' ')[0]}`,
    );
  });

  it('have each a case of their own', () => {
    expect(Object.keys(CASES)).toEqual(alerts.map(({ alert }) => alert));
  });

  it('fire, each alone, and stay quiet where nothing is wrong', () => {
    const file = join(temporaryFolder().path, 'alerts.test.yaml');
    const tests = alerts.flatMap(({ alert, labels }) => [
      testOf(`${alert} fires`, CASES[alert]!.fires, [{ alert, severity: labels.severity }]),
      testOf(`${alert} stays quiet`, CASES[alert]!.quiet, []),
    ]);
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
    expect(promtool('test', 'rules', file)).toMatchObject({
      status: 0,
      output: expect.stringContaining('SUCCESS'),
    });
  });
});

/** Whatever fired at any time within three hours. */
function testOf(
  name: string,
  series: readonly Series[],
  expected: readonly { alert: string; severity: string }[],
) {
  const fired = 'count by (alertname, severity) (max_over_time(ALERTS{alertstate="firing"}[3h]))';
  return {
    name,
    interval: '1m',
    input_series: series.map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: fired,
        eval_time: '2h59m',
        exp_samples: expected.map(({ alert, severity }) => ({
          labels: `{alertname="${alert}", severity="${severity}"}`,
          value: 1,
        })),
      },
    ],
  };
}

/** A heading's anchor, as forges make it. */
function slug(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
