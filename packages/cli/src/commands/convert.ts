import { resolve } from 'node:path';
import type { Manifest, ShardFormat, ShardFormatOptions } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import type { ResolvedSpec } from '@cropstream/spec';
import { type Command, Option } from 'commander';
import type { Resizing } from '../convert/images.js';
import type { ConversionRecord } from '../convert/output-folder.js';
import { given, integer } from '../flags.js';
import { isUrl } from '../guess-source.js';
import { interruptible } from '../interrupt.js';
import { formatBytes, Output, plural } from '../output.js';
import { checkOutputFolder } from '../outputs.js';
import { progressBar } from '../progress.js';
import { addRunOptions, openDatasetOf, type RunOptions } from '../run-options.js';

interface ConvertOptions extends RunOptions {
  readonly to: ShardFormat['name'];
  readonly out: string;
  readonly compression: ShardFormatOptions['compression'];
  readonly shardBytes: number;
  readonly shardSamples: number;
  readonly shortSide?: number;
  readonly longSide?: number;
  readonly quality?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

const MIB = 1024 * 1024;
/** Of the notebooks that prepare ImageNet so. */
const DEFAULT_QUALITY = 100;
/** As many samples as make a name's number long. */
const MOST_SAMPLES = 1_000_000;

export function register(program: Command): void {
  addRunOptions(program.command('convert'), [
    'recipe',
    'seed',
    'globalBatchSize',
    'shuffle',
    'dropLast',
    'exifRotation',
    'draft',
    'onBadSample',
    'transform',
  ])
    .summary('a dataset of any source as LitData or WebDataset shards')
    .description(
      "Writes a dataset's samples, in its own order, to shards that LitData's and WebDataset's own libraries read.\nImages are copied byte for byte, or made smaller. Run again after a kill, it goes on where it was.",
    )
    .addOption(
      new Option('--to <format>', 'what to write').choices(['litdata', 'webdataset']).makeOptionMandatory(),
    )
    .requiredOption(
      '--out <folder>',
      'where to write: an empty folder, or one that this conversion was begun in',
      given,
    )
    .addOption(
      new Option('--compression <name>', 'of litdata: compress chunks')
        .choices(['none', 'zstd'])
        .default('none'),
    )
    .option(
      '--shard-bytes <n>',
      'most bytes of images in a shard, as the dataset has them',
      integer(1, 1024 * MIB),
      64 * MIB,
    )
    .option('--shard-samples <n>', 'most samples in a shard', integer(1, MOST_SAMPLES), MOST_SAMPLES)
    .option('--short-side <n>', 'make larger images smaller: their short side, in pixels', integer(1, 65_535))
    .option('--long-side <n>', 'beside --short-side: what the long side may have at most', integer(1, 65_535))
    .option(
      '--quality <n>',
      `beside --short-side: of the JPEGs that smaller images become (default: ${DEFAULT_QUALITY})`,
      integer(1, 100),
    )
    .option('--threads <n>', 'threads (default: as many as the cgroup allows)', integer(1, 256))
    .option('--json', 'print a summary as one JSON object')
    .action((options: ConvertOptions) => interruptible((signal) => convertDataset(options, signal)));
}

async function convertDataset(options: ConvertOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  const resizing = resizingOf(options);
  if (isUrl(options.out)) {
    throw failure('OUTPUT_UNWRITABLE', {
      path: options.out,
      reason: 'shards are written to a folder of this machine; copy them to a store afterwards',
    });
  }
  await checkOutputFolder(options.out);
  const [{ shardFormat }, { decodeLimits }, { convert }, { cutShards }, { OutputFolder }, runtime] =
    await Promise.all([
      import('@cropstream/datasets'),
      import('@cropstream/spec'),
      import('../convert/convert.js'),
      import('../convert/shards.js'),
      import('../convert/output-folder.js'),
      import('@cropstream/runtime'),
    ]);
  const format = shardFormat(options.to);
  if (!format.compressions.includes(options.compression)) {
    throw invalid(
      '--compression',
      options.compression,
      `${format.compressions.join(' or ')} with --to ${format.name}`,
    );
  }
  const began = performance.now();
  const { spec, manifest, openReader } = await openDatasetOf(options, output, { signal });
  const threads = options.threads ?? runtime.defaultThreads();
  const limits = decodeLimits(spec);
  const reader = openReader();
  const bar = await progressBar('converting', manifest.length);
  try {
    const most = { bytes: options.shardBytes, samples: options.shardSamples };
    const shards = await cutShards(manifest.length, (id) => reader.size(id, signal), most);
    const folder = await OutputFolder.open(options.out, await recordOf(options, spec, manifest, resizing));
    const memory = runtime.readResources().memoryBytes;
    const result = await convert({
      ...{ manifest, reader, format, resizing, limits, shards, folder, threads, signal },
      compression: options.compression,
      shardsAtOnce: shardsAtOnce(threads, options.shardBytes, memory),
      report: (samples) => bar.update(samples),
    });
    bar.stop();
    const bytes = result.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    const bad = [...result.bad].map(([path, problem]) => ({ path, problem }));
    for (const { problem } of bad.slice(0, SHOWN_BAD)) output.note(`note: copied as it is: ${problem}`);
    if (bad.length > SHOWN_BAD) output.note(`note: ${bad.length} images in all were copied as they are`);
    const kept = result.kept > 0 ? `, ${result.kept} of them from before` : '';
    output.line(
      `${options.out}: ${plural(manifest.length, 'sample')} in ${plural(shards.length, 'shard')}${kept}, ${formatBytes(bytes)}`,
    );
    output.json({
      out: resolve(options.out),
      format: format.name,
      compression: options.compression,
      samples: manifest.length,
      shards: shards.length,
      shards_kept: result.kept,
      bytes,
      resized: result.resized,
      bad,
      classes: manifest.classes.length,
      fields: manifest.fields,
      manifest_digest: manifest.digest,
      seconds: (performance.now() - began) / 1000,
    });
  } finally {
    bar.stop();
    await reader.close();
  }
}

const SHOWN_BAD = 10;

function resizingOf({ shortSide, longSide, quality }: ConvertOptions): Resizing | null {
  if (shortSide === undefined) {
    const flag = longSide === undefined ? '--quality' : '--long-side';
    if (longSide === undefined && quality === undefined) return null;
    throw failure('SPEC_INCOMPLETE', {
      field: '--short-side',
      allowed: `it beside ${flag}; images are copied without it`,
    });
  }
  if (longSide !== undefined && longSide < shortSide) {
    throw invalid('--long-side', longSide, `at least --short-side, ${shortSide}`);
  }
  return { shortSide, longSide, quality: quality ?? DEFAULT_QUALITY };
}

/** Everything that decides about a byte of the folder. */
async function recordOf(
  options: ConvertOptions,
  spec: ResolvedSpec,
  manifest: Manifest,
  resizing: Resizing | null,
): Promise<ConversionRecord> {
  const { ENCODER } = await import('../convert/images.js');
  return {
    dataset: manifest.digest,
    to: options.to,
    compression: options.compression,
    shard_bytes: options.shardBytes,
    shard_samples: options.shardSamples,
    short_side: resizing?.shortSide ?? null,
    long_side: resizing?.longSide ?? null,
    quality: resizing?.quality ?? null,
    // What cannot be decoded is copied instead.
    max_pixels: resizing ? spec.limits.max_pixels : null,
    encoder: ENCODER,
  };
}

/** A thread each, unless a quarter of the memory does not hold so many: a shard's samples, the shard, a copy of it. */
function shardsAtOnce(threads: number, shardBytes: number, memoryBytes: number): number {
  return Math.max(1, Math.min(threads, Math.floor(memoryBytes / 4 / (3 * shardBytes))));
}

const invalid = (field: string, value: string | number, allowed: string) =>
  failure('SPEC_INVALID', { field, value, allowed });
