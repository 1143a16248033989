import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@cropstream/runtime';
import { stringify } from 'yaml';
import { temporaryFolder } from '../integration/harness.js';
import { until } from '../processes.mjs';
import { RULES } from './files.js';

interface Answer {
  readonly status: 'success' | 'error';
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** A Prometheus that scrapes services each second and evaluates the chart's rules. */
export class Prometheus {
  private constructor(
    private readonly process: ChildProcess,
    private readonly url: string,
  ) {}

  /** @param targets `host:port` by job */
  static async start(targets: Readonly<Record<string, readonly string[]>>): Promise<Prometheus> {
    const { path: folder } = temporaryFolder();
    const port = await freePort('127.0.0.1');
    const config = join(folder, 'prometheus.yaml');
    const scrape = Object.entries(targets).map(([job, hosts]) => ({
      job_name: job,
      static_configs: [{ targets: hosts, labels: { namespace: 'test' } }],
    }));
    const every = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '5s' };
    writeFileSync(config, stringify({ global: every, rule_files: [RULES], scrape_configs: scrape }));
    const child = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    const url = `http://127.0.0.1:${port}`;
    const answers = () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until('Prometheus answers', answers);
    return new Prometheus(child, url);
  }

  /** The values of an instant query. Throws what Prometheus says of one that is wrong. */
  async query(query: string): Promise<readonly number[]> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query })}`);
    const { status, error, data } = (await response.json()) as Answer;
    if (status !== 'success') throw new Error(`${query}: ${error}`);
    return data.result.map(({ value }) => Number(value[1]));
  }

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}
