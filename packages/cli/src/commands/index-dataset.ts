import { readFile } from 'node:fs/promises';
import type { Inspection, Manifest } from '@cropstream/datasets';
import { CropstreamError, failure } from '@cropstream/errors';
import { type Command, Option } from 'commander';
import { given, integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import type { ClassCount, ManifestFacts, Spread } from '../manifest-facts.js';
import { formatBytes, formatCount, Output } from '../output.js';
import { checkOutputFile, writeOutput } from '../outputs.js';
import { progressBar } from '../progress.js';
import { addRunOptions, type OpenedRun, openDatasetOf, type RunOptions } from '../run-options.js';

interface IndexOptions extends RunOptions {
  readonly manifest?: string;
  readonly inspect: number;
  readonly out?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('index'), [
    'recipe',
    'seed',
    'globalBatchSize',
    'shuffle',
    'dropLast',
    'exifRotation',
    'draft',
    'onBadSample',
  ])
    .summary("a dataset's manifest: counts, sizes, classes, digest, bad files")
    .description(
      'Indexes a dataset as a service would, prints what its manifest says, and looks at the first bytes of its files:\nthose that cannot be decoded are counted by kind, each with its fix. Or prints what a manifest says that was written.',
    )
    .addOption(
      new Option('--manifest <file>', 'a manifest that --out wrote; no dataset is looked at')
        .argParser(given)
        .conflicts(['data', 'spec', 'out']),
    )
    .option('--inspect <n>', 'files to look into, spread over the dataset; 0 for none', integer(0), 50_000)
    .option(
      '--out <file>',
      "write the manifest (binary), and shards' indexes into <file>.parts beside it",
      given,
    )
    .option('--json', 'print the facts as one JSON object')
    .action((options: IndexOptions) =>
      interruptible((signal) =>
        options.manifest === undefined ? index(options, signal) : inspectManifest(options.manifest, options),
      ),
    );
}

/** Beside a manifest: what it knows by digest. */
const partsOf = (file: string) => `${file}.parts`;

async function index(options: IndexOptions, signal: AbortSignal): Promise<void> {
  const [{ factsOf }, { partsInFolder }, { partsInMemory }] = await Promise.all([
    import('../manifest-facts.js'),
    import('../kept-parts.js'),
    import('@cropstream/datasets'),
  ]);
  const { out } = options;
  const output = new Output(options);
  if (out !== undefined) await checkOutputFile(out);
  const kept = out === undefined ? partsInMemory() : partsInFolder(partsOf(out));
  const run = await openDatasetOf(options, output, { signal, kept });
  const inspection = await inspect(run, options.inspect, signal);
  if (out !== undefined) await writeOutput(out, run.manifest.encode());
  const facts = factsOf(run.manifest);
  output.line(`url       ${run.location}`);
  reportFacts(output, facts);
  if (out !== undefined) output.line(`written   ${out}`);
  if (inspection !== undefined) reportInspection(output, inspection);
  output.json({ url: run.location, ...facts, ...(inspection && { inspection }) });
}

async function readManifest(file: string): Promise<Manifest> {
  const { checkManifest, decodeManifest } = await import('@cropstream/datasets');
  const bytes = await readFile(file).catch((error: unknown) => {
    const reason = `it is the manifest: ${error instanceof Error ? error.message : String(error)}`;
    throw failure('DATASET_NOT_FOUND', { url: file, reason }, { cause: error });
  });
  try {
    const manifest = decodeManifest(bytes);
    await checkManifest(bytes, manifest.digest);
    return manifest;
  } catch (error) {
    if (!(error instanceof CropstreamError) || error.code !== 'DATASET_MALFORMED') throw error;
    throw failure(
      'DATASET_MALFORMED',
      { path: file, reason: String(error.details.reason) },
      { cause: error },
    );
  }
}

/** Checks a manifest and what is kept beside it, and says what it says. */
async function inspectManifest(file: string, options: IndexOptions): Promise<void> {
  const [{ factsOf, keptIndexes }, { partsInFolder }] = await Promise.all([
    import('../manifest-facts.js'),
    import('../kept-parts.js'),
  ]);
  const output = new Output(options);
  const manifest = await readManifest(file);
  const facts = factsOf(manifest);
  const { parts } = partsInFolder(partsOf(file));
  const digests = keptIndexes(manifest);
  const found = await Promise.all(digests.map((digest) => parts.get(digest)));
  const missing = found.filter((part) => part === null).length;
  reportFacts(output, facts);
  if (digests.length > 0) {
    const told = missing === 0 ? 'all there' : `${formatCount(missing)} missing, which readers make again`;
    output.line(`indexes   ${formatCount(digests.length)} in ${partsOf(file)}, ${told}`);
  }
  output.json({ ...facts, indexes: { kept: digests.length, missing } });
}

/** Looks into files by their first bytes; undefined where there are no files to look into, or none wanted. */
export async function inspect(
  { manifest, openReader }: Pick<OpenedRun, 'manifest' | 'openReader'>,
  most: number,
  signal: AbortSignal,
): Promise<Inspection | undefined> {
  if (most === 0) return undefined;
  const [{ sniff }, { inspectDataset }] = await Promise.all([
    import('@cropstream/augment'),
    import('@cropstream/datasets'),
  ]);
  const reader = openReader();
  const bar = await progressBar('looking into files', Math.min(most, manifest.length));
  try {
    const inspection = await inspectDataset(manifest, reader, {
      sniff,
      maxFiles: most,
      report: (seen) => bar.update(seen),
      signal,
    });
    return inspection.groups.length === 0 ? undefined : inspection;
  } finally {
    bar.stop();
    await reader.close();
  }
}

const SHOWN_CLASSES = 8;

function reportFacts(output: Output, facts: ManifestFacts): void {
  const { source, samples, bytes, sample_bytes: sizes, shards, classes, datasets } = facts;
  output.line(`source    ${source}`);
  output.line(`samples   ${formatCount(samples)}, ${formatBytes(bytes)}`);
  if (sizes) output.line(`sizes     ${spreadLine(sizes, formatBytes)} a sample`);
  if (shards) {
    output.line(
      `shards    ${formatCount(shards.count)} of ${spreadLine(shards.samples, formatCount)} samples, ${spreadLine(shards.bytes, formatBytes)}`,
    );
  }
  output.line(`classes   ${classesLine(classes)}`);
  output.line(`fields    ${facts.fields.map(({ name, dtype }) => `${name} (${dtype})`).join(', ')}`);
  for (const [i, part] of (datasets ?? []).entries()) {
    output.line(
      `dataset ${i} ${part.source}, ${formatCount(part.samples)} samples, ${formatBytes(part.bytes)}`,
    );
  }
  output.line(`manifest  ${facts.manifest_digest}`);
}

/** "3 to 9 (median 5)", or the one number that all are. */
function spreadLine({ min, median, max }: Spread, format: (value: number) => string): string {
  return min === max ? format(min) : `${format(min)} to ${format(max)} (median ${format(median)})`;
}

function classesLine(classes: readonly ClassCount[]): string {
  if (classes.length === 0) return 'none named';
  const counts = classes.flatMap(({ samples }) => (samples === null ? [] : [samples]));
  const named = classes.slice(0, SHOWN_CLASSES).map(({ name }) => name);
  const rest = classes.length > SHOWN_CLASSES ? ', ...' : '';
  const each = counts.length > 0 ? ` of ${Math.min(...counts)} to ${Math.max(...counts)} samples` : '';
  return `${formatCount(classes.length)}${each}: ${named.join(', ')}${rest}`;
}

function reportInspection(output: Output, { inspected, total, bad, groups }: Inspection): void {
  const which =
    inspected === total ? 'all files' : `${formatCount(inspected)} of ${formatCount(total)} files`;
  output.line(`\nThe first bytes of ${which}:`);
  for (const { format, fix, count, examples, kind } of groups) {
    output.line(`  ${formatCount(count).padStart(8)}  ${format}`);
    if (kind === 'supported') continue;
    output.line(`            ${fix}`);
    output.line(`            ${examples.join(', ')}${count > examples.length ? ', ...' : ''}`);
  }
  if (bad > 0) {
    output.line(
      `${formatCount(bad)} cannot be decoded: a run substitutes others for them, or ends with on_bad_sample: fail.`,
    );
  }
}
