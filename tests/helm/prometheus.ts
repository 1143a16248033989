import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@cropstream/runtime';
import { until } from '../processes.mjs';

/**
 * A Prometheus that scrapes one service.
 *
 * @param folder where it may write
 * @param http of the service
 * @param labels of all that it scrapes
 */
export async function startPrometheus(
  folder: string,
  http: string,
  labels: Readonly<Record<string, string>>,
) {
  const own = mkdtempSync(join(folder, 'prometheus-'));
  const config = join(own, 'prometheus.yml');
  const targets = [`127.0.0.1:${new URL(http).port}`];
  const job = { job_name: 'cropstream', scrape_interval: '1s', static_configs: [{ targets, labels }] };
  writeFileSync(config, JSON.stringify({ scrape_configs: [job] }));
  const address = `127.0.0.1:${await freePort('127.0.0.1')}`;
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${own}`, `--web.listen-address=${address}`];
  const child = spawn('prometheus', flags, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const query = async (expression: string): Promise<readonly string[]> => {
    const url = `http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok) return [];
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    return data.result.map(({ value }) => value[1]);
  };
  return {
    /** The one value of a query, once there is one. */
    async ask(expression: string): Promise<number> {
      let values: readonly string[] = [];
      await until(`Prometheus answers ${expression}`, async () => {
        values = await query(expression);
        return values.length > 0;
      });
      if (values.length > 1) throw new Error(`${expression} has ${values.length} values`);
      return Number(values[0]);
    },
    async stop(): Promise<void> {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
