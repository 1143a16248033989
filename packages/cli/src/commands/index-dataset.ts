import type { FileManifest, Inspection } from '@cropstream/datasets';
import type { Command } from 'commander';
import { given, integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { formatBytes, formatCount, Output } from '../output.js';
import { checkOutputFile, writeOutput } from '../outputs.js';
import { progressBar } from '../progress.js';
import { addRunOptions, type OpenedRun, openDatasetOf, type RunOptions } from '../run-options.js';

interface IndexOptions extends RunOptions {
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
    'onBadSample',
  ])
    .summary("a dataset's manifest: counts, classes, digest, bad files")
    .description(
      'Indexes a dataset as a service would, prints what its manifest says, and looks at the first bytes of its files:\nthose that cannot be decoded are counted by kind, each with its fix.',
    )
    .option('--inspect <n>', 'files to look into, spread over the dataset; 0 for none', integer(0), 50_000)
    .option('--out <file>', 'write the manifest itself (binary)', given)
    .option('--json', 'print the facts as one JSON object')
    .action((options: IndexOptions) => interruptible((signal) => index(options, signal)));
}

async function index(options: IndexOptions, signal: AbortSignal): Promise<void> {
  const { FileManifest: Files } = await import('@cropstream/datasets');
  const output = new Output(options);
  if (options.out !== undefined) await checkOutputFile(options.out);
  const run = await openDatasetOf(options, output, signal);
  const { manifest, location } = run;
  const inspection = await inspect(run, options.inspect, signal);
  if (options.out !== undefined) await writeOutput(options.out, manifest.encode());
  const classes = manifest instanceof Files ? countClasses(manifest) : undefined;
  const { bytes } = manifest;
  output.line(`source    ${manifest.source}`);
  output.line(`url       ${location}`);
  output.line(`samples   ${formatCount(manifest.length)}, ${formatBytes(bytes)}`);
  if (classes) output.line(`classes   ${classesLine(classes)}`);
  output.line(`manifest  ${manifest.digest}`);
  if (options.out !== undefined) output.line(`written   ${options.out}`);
  if (inspection !== undefined) reportInspection(output, inspection);
  output.json({
    source: manifest.source,
    url: location,
    samples: manifest.length,
    bytes,
    classes,
    fields: manifest.fields,
    manifest_digest: manifest.digest,
    ...(inspection && { inspection }),
  });
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

function countClasses(manifest: FileManifest): { name: string; samples: number }[] {
  const counts = new Array<number>(manifest.classes.length).fill(0);
  for (let i = 0; i < manifest.length; i++) {
    const label = manifest.labelOf(i);
    if (label >= 0) counts[label] = (counts[label] ?? 0) + 1;
  }
  return manifest.classes.map((name, label) => ({ name, samples: counts[label] ?? 0 }));
}

const SHOWN_CLASSES = 8;

function classesLine(classes: readonly { name: string; samples: number }[]): string {
  if (classes.length === 0) return 'none; every label is -1';
  const counts = classes.map(({ samples }) => samples);
  const named = classes.slice(0, SHOWN_CLASSES).map(({ name }) => name);
  const rest = classes.length > SHOWN_CLASSES ? ', ...' : '';
  return `${formatCount(classes.length)} of ${Math.min(...counts)} to ${Math.max(...counts)} samples: ${named.join(', ')}${rest}`;
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
