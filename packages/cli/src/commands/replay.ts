import { join, resolve } from 'node:path';
import type { Batch } from '@cropstream/client';
import { failure } from '@cropstream/errors';
import type { ResolvedSpec } from '@cropstream/spec';
import { type Command, Option } from 'commander';
import { decoderOption, given, integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { Output, plural } from '../output.js';
import { checkOutputFolder, makeOutputFolder, writeOutput } from '../outputs.js';
import { progressBar } from '../progress.js';
import { addRunOptions, openRun, type RunOptions } from '../run-options.js';

interface ReplayOptions extends RunOptions {
  readonly step?: number;
  readonly epoch?: number;
  readonly stepInEpoch?: number;
  readonly steps: number;
  readonly rank: number;
  readonly world: number;
  readonly uneven?: boolean;
  readonly threads?: number;
  readonly decoder: 'auto' | 'turbojpeg' | 'sharp';
  readonly out?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('replay'))
    .summary('any batch of a run again, from its spec alone')
    .description(
      'Makes a batch of a run again, in this process, without any service: its digest is that of the batch that a trainer\ndrew (compare with `pull --digests`). Give the spec, or the flags, that the run was served with.',
    )
    .addOption(
      new Option('--step <n>', 'the global step (default: 0)')
        .argParser(integer(0))
        .conflicts(['epoch', 'stepInEpoch']),
    )
    .option('--epoch <n>', 'the epoch, instead of --step', integer(0))
    .option('--step-in-epoch <n>', 'with --epoch: the step within it', integer(0))
    .option('--steps <n>', 'so many steps from there on; the digest is then of all of them', integer(1), 1)
    .option('--rank <n>', 'whose slice', integer(0), 0)
    .option('--world <n>', 'of how many', integer(1), 1)
    .option('--uneven', 'accept batches that differ by one sample between ranks, as `pull --uneven` does')
    .option('--threads <n>', 'compute threads (default: as many as the cgroup allows)', integer(1, 256))
    .addOption(decoderOption())
    .option('--out <folder>', 'write the first batch: a .npy a tensor, fields.json, batch.png', given)
    .option('--json', 'print the digests as one JSON object')
    .action((options: ReplayOptions) => interruptible((signal) => replay(options, signal)));
}

interface ReplayedStep {
  readonly step: number;
  readonly epoch: number;
  readonly samples: number;
  readonly digest: string;
}

async function replay(options: ReplayOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  if (options.out !== undefined) await checkOutputFolder(options.out);
  if (options.stepInEpoch !== undefined && options.epoch === undefined) {
    throw failure('SPEC_INCOMPLETE', {
      field: '--epoch',
      allowed: 'the epoch that --step-in-epoch counts in',
    });
  }
  const [
    { StreamDigest },
    { ChunkMaker },
    { replayBatch },
    { factsOf },
    { checkWorld, globalStep },
    { planOf, runDigest },
    { defaultThreads },
  ] = await Promise.all([
    import('@cropstream/client'),
    import('@cropstream/chunks'),
    import('@cropstream/darkroom/replay'),
    import('@cropstream/datasets'),
    import('@cropstream/schedule'),
    import('@cropstream/spec'),
    import('@cropstream/runtime'),
  ]);
  const { spec, manifest, modules } = await openRun(options, output, { signal });
  const facts = factsOf(manifest);
  const plan = planOf(spec, facts);
  const { rank, world: worldSize, uneven: allowUneven = false } = options;
  checkWorld(plan, { rank, worldSize, allowUneven });
  const first =
    options.epoch === undefined
      ? (options.step ?? 0)
      : globalStep(plan, { epoch: options.epoch, step: options.stepInEpoch ?? 0 });
  const threads = options.threads ?? defaultThreads();
  const maker = await ChunkMaker.create({ spec, manifest, threads, ...modules, decoder: options.decoder });
  const bar = await progressBar('replaying', options.steps);
  const all = new StreamDigest();
  const steps: ReplayedStep[] = [];
  let images = 0;
  let substituted = 0;
  try {
    for (let step = first; step < first + options.steps; step++) {
      signal.throwIfAborted();
      const batch = await replayBatch({ maker, spec, plan, facts }, step, { rank, worldSize }, signal);
      all.update(batch);
      const own = new StreamDigest();
      own.update(batch);
      steps.push({ step, epoch: batch.epoch, samples: batch.length, digest: own.hex() });
      images += batch.length;
      substituted += batch.substitutions.length;
      for (const { originalIndex, deliveredIndex, path, code } of batch.substitutions) {
        output.note(`substituted: sample ${deliveredIndex} for ${originalIndex} (${path}: ${code})`);
      }
      if (step === first && options.out !== undefined) await writeBatch(options.out, batch, spec);
      bar.update(steps.length);
    }
  } finally {
    bar.stop();
    await maker.close();
  }
  const result = { digest: all.hex(), steps: steps.length, images, substituted };
  report(output, { ...result, batches: steps, world: options.world, rank: options.rank });
  if (options.out !== undefined) output.line(`written        ${options.out}`);
  const run = { run_digest: runDigest(spec, manifest.digest), manifest_digest: manifest.digest };
  output.json({
    ...result,
    ...run,
    rank: options.rank,
    world: options.world,
    batches: steps,
    ...(options.out && { out: resolve(options.out) }),
  });
}

async function writeBatch(folder: string, batch: Batch, spec: ResolvedSpec): Promise<void> {
  const [{ encodeNpy }, { batchSheet, drawSheet, runTitle }] = await Promise.all([
    import('@cropstream/darkroom/replay'),
    import('@cropstream/darkroom/pictures'),
  ]);
  await makeOutputFolder(folder);
  for (const [name, { dtype, shape, data }] of batch.views) {
    await writeOutput(join(folder, `${name}.npy`), encodeNpy(dtype, shape, data));
  }
  await writeOutput(join(folder, '_indices.npy'), encodeNpy('int64', [batch.length], batch.indices));
  await writeOutput(join(folder, 'labels.npy'), encodeNpy('int64', [batch.length], batch.labels));
  const fields = Object.fromEntries(
    [...batch.fields].map(([name, column]) => [name, Array.from(column, plain)]),
  );
  await writeOutput(join(folder, 'fields.json'), `${JSON.stringify(fields, null, 2)}\n`);
  const title = `${runTitle(spec)}: step ${batch.globalStep}`;
  const subtitle = [
    `epoch ${batch.epoch}, seed ${spec.seed}; the first of ${plural(batch.length, 'sample')}, from the batch's own tensors`,
  ];
  await writeOutput(join(folder, 'batch.png'), await drawSheet(batchSheet(batch, spec, { title, subtitle })));
}

const plain = (value: string | number | bigint) => (typeof value === 'bigint' ? Number(value) : value);

interface Replayed {
  readonly digest: string;
  readonly images: number;
  readonly substituted: number;
  readonly batches: readonly ReplayedStep[];
  readonly rank: number;
  readonly world: number;
}

function report(output: Output, { digest, images, substituted, batches, rank, world }: Replayed): void {
  if (batches.length <= 20) for (const { step, digest: own } of batches) output.line(`step ${step}  ${own}`);
  output.line(`rank           ${rank} of ${world}`);
  output.line(
    `made           ${plural(batches.length, 'batch', 'batches')}, ${plural(images, 'image')}, ${substituted} substituted`,
  );
  output.line(`stream digest  ${digest}`);
}
