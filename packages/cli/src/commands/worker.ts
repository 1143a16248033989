import type { Command } from 'commander';
import { Output, plural } from '../output.js';

interface WorkerOptions {
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('worker')
    .summary("a fleet's crop-workers on this machine, configured by their environment")
    .description(
      "A fleet's crop-workers on this machine. Redis, addresses, threads and limits come from the environment:\ndocs/operations.md has the table. They join and leave at any time; SIGTERM ends them without a loss.",
    )
    .option('--json', 'print one JSON object once they listen')
    .action(worker);
}

async function worker(options: WorkerOptions): Promise<void> {
  const output = new Output(options);
  const { runWorker } = await import('@cropstream/crop-worker/process');
  const { cells, host, httpPort, httpScheme, threads, fingerprint } = await runWorker(process.env);
  const workers = cells.addresses().map(({ address }) => address);
  const http = `${httpScheme}://${host}:${httpPort}`;
  output.line(`workers    ${workers.join(', ')} on ${plural(threads, 'thread')}`);
  output.line(`http       ${http}/metrics, /healthz, /readyz`);
  output.json({ workers, http, threads, fingerprint });
}
