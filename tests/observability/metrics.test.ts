import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pass } from 'node:timers/promises';
import { MultiCropLoader } from '@cropstream/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../fleet/fleet.js';
import { metric, until } from '../processes.mjs';
import { alerts, dashboard } from './files.js';
import { Prometheus } from './prometheus.js';

/** Runs that have metrics of their own at each coordinator here. */
const METERED = 3;
/** What labels there may be. Only `owner` and `run` grow with what people do. */
const LABELS = new Set([
  ...['owner', 'run', 'limit', 'reason', 'code', 'outcome', 'state', 'stage', 'le'],
  ...['version', 'fingerprint', 'certificate'],
]);
/** Metrics without data in a fleet in which nothing has gone wrong, and why. */
const WITHOUT_DATA: Readonly<Record<string, string>> = {
  cropstream_coordinator_nacks_total:
    'no announced chunk was missed: it has a series for each reason from the first on',
  cropstream_coordinator_attachment_failures_total:
    'no stream failed: a series for each code from the first on',
  cropstream_worker_chunk_failures_total: 'no chunk failed: a series for each code from the first on',
  cropstream_worker_jobs_skipped_total: 'no job was skipped: a series for each reason from the first on',
  cropstream_tls_certificate_expiry_timestamp_seconds: 'these services have no certificates',
};

let fleet: Fleet;
let prometheus: Prometheus;
let drawing: Drawing;

/** A trainer that takes a batch each so many milliseconds until it is told to stop. */
class Drawing {
  taken = 0;
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(consumer: string, everyMs: number, more: object = { run: 'fleet' }) {
    this.#ended = this.#draw(consumer, everyMs, more);
  }

  async #draw(consumer: string, everyMs: number, more: object): Promise<void> {
    const place = { target: fleet.target, consumer, rank: 0, worldSize: 1 };
    const loader = await MultiCropLoader.open({ ...place, endless: true, timeoutMs: 40_000, ...more });
    try {
      for await (const _ of loader) {
        this.taken++;
        await pass(everyMs);
        if (this.#stopped) return;
      }
    } finally {
      await loader.close();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }
}

const coordinator = () => fleet.coordinators[0]!.ready.http;
const desired = () => metric(coordinator(), 'cropstream_coordinator_desired_workers');
const pages = () =>
  Promise.all(
    [...fleet.coordinators, ...fleet.workers].map(async ({ ready }) =>
      (await fetch(`${ready.http}/metrics`)).text(),
    ),
  );
const ours = (page: string) => page.split('\n').filter((line) => /^(# \w+ )?cropstream_/.test(line));
const namesIn = (text: string) => [...text.matchAll(/cropstream_[a-z_]+/g)].map(([name]) => name);

beforeAll(async () => {
  fleet = await Fleet.start({ workers: 1, coordinators: 1 }, { CROPSTREAM_METERED_RUNS: String(METERED) });
}, 60_000);

afterAll(async () => {
  await drawing?.stop();
  await prometheus?.stop();
  await fleet?.stop();
});

describe('desired_workers', () => {
  it('stays at one for a trainer that is satisfied, and rises for one that starves', async () => {
    const satisfied = new Drawing('satisfied', 2_000);
    await until('its demand is known', async () => {
      const demand = await metric(coordinator(), 'cropstream_coordinator_run_demand_samples_per_second');
      return demand > 0 && satisfied.taken >= 3;
    });
    expect(await desired()).toBe(1);
    await satisfied.stop();
    const starved = new Drawing('starved', 0);
    await until('more workers are asked for', async () => (await desired()) > 1.5);
    await starved.stop();
    await until('one is enough again', async () => (await desired()) === 1);
  }, 120_000);
});

describe('the metrics', () => {
  it("are named by Prometheus' conventions, as its own linter has them", async () => {
    for (const page of await pages()) {
      const input = `${ours(page).join('\n')}\n`;
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        input,
        encoding: 'utf8',
      });
      expect(`${stdout}${stderr}`).toBe('');
      expect(status).toBe(0);
    }
  });

  it('are those that the page lists, under no other labels than those that are bounded', async () => {
    const page = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8');
    const lines = (await pages()).flatMap(ours);
    const names = lines.flatMap((line) => /^# TYPE (\w+)/.exec(line)?.[1] ?? []);
    expect(names.filter((name) => !page.includes(`| \`${name}`))).toEqual([]);
    const labels = lines
      .filter((line) => !line.startsWith('#'))
      .flatMap((line) => [...line.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label as string));
    expect([...new Set(labels)].filter((label) => !LABELS.has(label))).toEqual([]);
  });

  it('go with their run, and never number more than they may', async () => {
    const text = async () => (await pages()).flatMap(ours).join('\n');
    // Of another seed: what is made of one digest counts to the name that was opened first.
    const spec = { ...(await fleet.otherRun('other')).spec, seed: 8 };
    const other = new Drawing('other', 0, { spec });
    await until('both services measure it', async () => {
      const page = await text();
      return ['coordinator_run_samples_total', 'worker_run_samples_total'].every((name) =>
        new RegExp(`^cropstream_${name}\\{owner="default",run="other"\\} [1-9]`, 'm').test(page),
      );
    });
    await other.stop();
    expect((await fetch(`${coordinator()}/api/v1/runs/other`, { method: 'DELETE' })).ok).toBe(true);
    await until('nobody measures it any more', async () => !(await text()).includes('run="other"'));
    for (let i = 0; i < METERED + 3; i++) {
      const loader = await MultiCropLoader.open({
        ...{
          target: fleet.target,
          consumer: 'many',
          rank: 0,
          worldSize: 1,
          spec: { ...spec, name: `run-${i}` },
        },
      });
      await loader.close();
    }
    const runs = async () =>
      new Set(
        [...(await text()).matchAll(/_run_attachments\{owner="[^"]*",run="([^"]*)"/g)].map(([, run]) => run),
      );
    await until('the rest share a series', async () => (await runs()).has('(others)'));
    expect((await runs()).size).toBe(METERED + 1);
  }, 90_000);
});

describe('every query', () => {
  beforeAll(async () => {
    drawing = new Drawing('watched', 50);
    const hosts = (services: readonly { ready: { http: string } }[]) =>
      services.map(({ ready }) => new URL(ready.http).host);
    prometheus = await Prometheus.start({
      coordinator: hosts(fleet.coordinators),
      worker: hosts(fleet.workers),
    });
  }, 60_000);

  const variables: Readonly<Record<string, string>> = {
    __rate_interval: '20s',
    namespace: '.*',
    owner: '.*',
    run: '.*',
  };
  const panels = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      query: expr.replace(/\$(\w+)/g, (_, name: string) => variables[name] ?? ''),
    })),
  );
  const conditions = alerts.map(({ alert, expr }) => ({
    title: alert,
    // What is compared must be there; that it is not so bad is what a healthy fleet is about.
    query: expr
      .replace(/ (==|>|<) /g, ' - ')
      .replace(' unless ', ' and ')
      .replace('absent(', '('),
  }));

  it.each([...panels, ...conditions])(
    'finds data, or it is known why there is none: $title',
    async ({ query }) => {
      await prometheus.query(query);
      if (namesIn(query).some((name) => name in WITHOUT_DATA)) return;
      await until(query, async () => (await prometheus.query(query)).length > 0, 60_000);
    },
    70_000,
  );

  it('without data asks for a metric that there is', async () => {
    const declared = new Set((await pages()).flatMap(namesIn));
    const missing = Object.keys(WITHOUT_DATA).filter((name) => !declared.has(name));
    expect(missing).toEqual(['cropstream_tls_certificate_expiry_timestamp_seconds']);
  });

  it('of the alerts leaves a healthy fleet alone', async () => {
    expect(await prometheus.query('ALERTS{alertstate="firing"}')).toEqual([]);
  });

  it('of the variables finds their values', async () => {
    for (const { definition } of dashboard.templating.list) {
      const [, series = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '') ?? [];
      if (definition === undefined) continue;
      const query = `count by (${label}) (${series.replace(/\$\w+/g, '.*')})`;
      expect((await prometheus.query(query)).length, query).toBeGreaterThan(0);
    }
  });
});
