import { CropstreamError } from '@cropstream/errors';
import type { Command } from 'commander';
import type { Check } from '../doctor/check.js';
import { integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { Output } from '../output.js';
import { DEFAULT_HTTP_PORT, DEFAULT_PORT } from '../ports.js';
import { addRunOptions, openRun, type RunOptions } from '../run-options.js';
import { inspect } from './index-dataset.js';

interface DoctorOptions extends RunOptions {
  readonly target?: string;
  readonly port: number;
  readonly httpPort: number;
  readonly threads?: number;
  readonly images: number;
  readonly floor: number;
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('doctor'))
    .summary('the usual troubles, with what to do')
    .description(
      'Looks at this machine; with --data or --spec also at a dataset and how fast it is served; with --target at a running\nservice. A line each: ok, warn (it works, but not as well as it could) or fail. Exits with 1 on a fail.',
    )
    .option('--target <host:port>', 'a service to look at')
    .option('--port <n>', 'the gRPC port that is to be free', integer(1, 65535), DEFAULT_PORT)
    .option('--http-port <n>', 'the HTTP port that is to be free', integer(1, 65535), DEFAULT_HTTP_PORT)
    .option('--threads <n>', 'compute threads of the speed test', integer(1, 256))
    .option('--images <n>', 'images of the speed test', integer(1), 128)
    .option('--floor <n>', 'images a second that are enough', integer(1), 100)
    .option('--json', 'print the checks as one JSON object')
    .action((options: DoctorOptions) => interruptible((signal) => doctor(options, signal)));
}

async function doctor(options: DoctorOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  const checks: Check[] = [];
  const add = (...found: Check[]) => {
    for (const check of found) {
      checks.push(check);
      output.line(`${check.status.padEnd(4)}  ${check.name.padEnd(16)} ${check.found}`);
      if (check.fix !== undefined) output.line(`${' '.repeat(23)}${check.fix}`);
    }
  };
  const machine = await import('../doctor/machine.js');
  add(
    machine.checkNode(),
    machine.checkThreads(),
    machine.checkMemory(),
    await machine.checkTemporarySpace(),
  );
  add(machine.checkKernels(), ...(await machine.checkDecoder()));
  if (options.target === undefined) {
    add(await machine.checkPort('gRPC port', '--port', options.port));
    add(await machine.checkPort('HTTP port', '--http-port', options.httpPort));
  } else {
    const { checkTarget } = await import('../doctor/service.js');
    add(...(await checkTarget(options.target)));
  }
  if (options.data !== undefined || options.spec !== undefined) {
    try {
      await checkDataset(options, output, add, signal);
    } catch (error) {
      if (!(error instanceof CropstreamError) || error.code === 'CANCELLED') throw error;
      add({ name: error.code, status: 'fail', found: error.problem, fix: error.help });
    }
  }
  const count = (status: Check['status']) => checks.filter((check) => check.status === status).length;
  output.line(`\n${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail`);
  output.json({ ok: count('ok'), warn: count('warn'), fail: count('fail'), checks });
  if (count('fail') > 0) process.exitCode = 1;
}

async function checkDataset(
  options: DoctorOptions,
  output: Output,
  add: (...found: Check[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const [dataset, { defaultThreads }] = await Promise.all([
    import('../doctor/dataset.js'),
    import('@cropstream/runtime'),
  ]);
  const run = await openRun(options, output, { signal });
  const threads = options.threads ?? defaultThreads();
  add(dataset.checkSamples(run));
  add(...dataset.checkFiles(await inspect(run, FILES, signal), run.spec));
  const made = await dataset.withFirstChunk(run, threads, signal, (maker, chunk) => [
    dataset.checkSizes(chunk, run.spec),
    dataset.checkBatchMemory(maker, run.spec),
  ]);
  add(...made);
  add(...(await dataset.checkSpeed(run, { threads, images: options.images, floor: options.floor, signal })));
}

/** Files whose first bytes are looked at. */
const FILES = 20_000;
