import { setTimeout as sleep } from 'node:timers/promises';
import type { RelayMode } from '@cropstream/client';
import { type Command, Option } from 'commander';
import { given, integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { formatBytes, formatCount, Output, plural } from '../output.js';
import { checkOutputFile, openOutput } from '../outputs.js';
import { DEFAULT_PORT } from '../ports.js';
import { progressBar } from '../progress.js';

interface PullOptions {
  readonly target: string;
  readonly run?: string;
  readonly rank?: number;
  readonly world?: number;
  readonly fromStep: number;
  readonly steps?: number;
  readonly epochs?: number;
  readonly prefetch?: number;
  readonly consumer?: string;
  readonly takeover?: boolean;
  readonly uneven?: boolean;
  readonly relay?: RelayMode;
  readonly stepMs: number;
  readonly timeout: number;
  readonly digests?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('pull')
    .description('a trainer that draws batches and digests them: to try, to measure, to compare streams')
    .option('--target <host:port>', 'the coordinator', `127.0.0.1:${DEFAULT_PORT}`)
    .option('--run <name>', 'the run to draw from (default: the only open one)')
    .option('--rank <n>', 'this rank (default: RANK, else 0)', integer(0))
    .option('--world <n>', 'the world size (default: WORLD_SIZE, else 1)', integer(1))
    .option('--from-step <n>', 'the global step to begin at', integer(0), 0)
    .option('--steps <n>', 'steps to draw (default: one epoch)', integer(1))
    .addOption(
      new Option('--epochs <n>', 'epochs to draw, instead of --steps')
        .argParser(integer(1))
        .conflicts('steps'),
    )
    .option('--prefetch <n>', 'steps to hold ahead', integer(1))
    .option('--consumer <id>', 'the job id that the ranks of one job share (default: CROPSTREAM_CONSUMER)')
    .option('--takeover', 'end a live attachment of the same rank')
    .option('--uneven', 'accept batches that differ by one sample between ranks')
    .addOption(
      new Option(
        '--relay <when>',
        'draw through the coordinator (default: CROPSTREAM_RELAY, else auto)',
      ).choices(['auto', 'always', 'never'] satisfies RelayMode[]),
    )
    .option('--step-ms <n>', "milliseconds that a step 'trains': a slow trainer", integer(0), 0)
    .option('--timeout <seconds>', 'give up when no batch came for so long', integer(1), 60)
    .option('--digests <file>', "write each batch's step and own digest, a line a batch", given)
    .option('--json', 'print one JSON object')
    .action(pull);
}

async function pull(options: PullOptions): Promise<void> {
  const { MultiCropLoader, StreamDigest } = await import('@cropstream/client');
  const output = new Output(options);
  const { digests: digestsFile } = options;
  if (digestsFile !== undefined) await checkOutputFile(digestsFile);
  await interruptible(async (signal) => {
    const loader = await MultiCropLoader.open({
      target: options.target,
      ...(options.run !== undefined && { run: options.run }),
      ...(options.rank !== undefined && { rank: options.rank }),
      ...(options.world !== undefined && { worldSize: options.world }),
      ...(options.consumer !== undefined && { consumer: options.consumer }),
      ...(options.prefetch !== undefined && { prefetch: { steps: options.prefetch } }),
      ...(options.takeover && { takeover: true }),
      ...(options.uneven && { allowUneven: true }),
      ...(options.relay !== undefined && { relay: options.relay }),
      startStep: options.fromStep,
      // Without --steps the end is known only once the run is: a little is then made ahead for nobody.
      ...(options.steps !== undefined && { endStep: options.fromStep + options.steps }),
      endless: true,
      timeoutMs: options.timeout * 1000,
      signal,
    });
    try {
      const epoch = Number(loader.run.stepsPerEpoch);
      const steps = options.steps ?? epoch * (options.epochs ?? 1);
      const digest = new StreamDigest();
      const digests = digestsFile === undefined ? null : await openOutput(digestsFile);
      const bar = await progressBar('batches', steps);
      const sum = { steps: 0, images: 0, bytes: 0, substituted: 0 };
      const began = performance.now();
      try {
        for await (const batch of loader) {
          digest.update(batch);
          sum.steps += 1;
          sum.images += batch.length;
          sum.bytes += batch.byteLength;
          sum.substituted += batch.substitutions.length;
          if (digests) {
            const own = new StreamDigest();
            own.update(batch);
            await digests.write(`${batch.globalStep} ${own.hex()}\n`);
          }
          for (const { path, code, reason } of batch.substitutions)
            output.note(`substituted: ${path}: ${code}: ${reason}`);
          bar.update(sum.steps);
          if (options.stepMs > 0) await sleep(options.stepMs);
          if (sum.steps === steps) break;
        }
      } finally {
        bar.stop();
        await digests?.close();
      }
      const seconds = (performance.now() - began) / 1000;
      const crops = loader.run.views.length;
      const result = {
        run: loader.run.name,
        digest: digest.hex(),
        ...sum,
        seconds,
        images_per_second: sum.images / seconds,
        crops_per_second: (sum.images * crops) / seconds,
        ms_per_batch: (seconds * 1000) / Math.max(1, sum.steps),
      };
      output.json(result);
      if (!options.json) report(output, result, epoch);
    } finally {
      await loader.close();
    }
  });
}

interface PullResult {
  readonly run: string;
  readonly digest: string;
  readonly steps: number;
  readonly images: number;
  readonly bytes: number;
  readonly substituted: number;
  readonly seconds: number;
  readonly images_per_second: number;
  readonly crops_per_second: number;
  readonly ms_per_batch: number;
}

function report(output: Output, r: PullResult, stepsPerEpoch: number): void {
  output.line(`run              ${r.run} (${plural(stepsPerEpoch, 'step')} an epoch)`);
  output.line(
    `drawn            ${plural(r.steps, 'batch', 'batches')}, ${plural(r.images, 'image')}, ${formatBytes(r.bytes)} in ${r.seconds.toFixed(2)} s`,
  );
  output.line(
    `throughput       ${r.images_per_second.toFixed(1)} images/s, ${r.crops_per_second.toFixed(1)} crops/s, ${r.ms_per_batch.toFixed(1)} ms a batch`,
  );
  output.line(`substituted      ${formatCount(r.substituted)}`);
  output.line(`stream digest    ${r.digest}`);
}
