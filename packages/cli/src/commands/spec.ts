import type { Command } from 'commander';
import { interruptible } from '../interrupt.js';
import { Output } from '../output.js';
import { addRunOptions, openRun, type RunOptions } from '../run-options.js';

interface SpecOptions extends RunOptions {
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('spec'))
    .summary('a run spec with everything decided, and its digest')
    .description(
      'Resolves a spec and flags as a service would, prints the whole spec as YAML (which is a spec again), and the\ndigest of its run over the dataset: what two services must have in common to serve the same bytes.',
    )
    .option('--json', 'print spec and digests as one JSON object')
    .action((options: SpecOptions) => interruptible((signal) => spec(options, signal)));
}

async function spec(options: SpecOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  const { printSpec, runDigest } = await import('@cropstream/spec');
  const { spec: resolved, manifest } = await openRun(options, output, { signal });
  const run_digest = runDigest(resolved, manifest.digest);
  output.line(`# run digest ${run_digest}, manifest ${manifest.digest}`);
  output.line(printSpec(resolved).trimEnd());
  output.json({ spec: resolved, run_digest, manifest_digest: manifest.digest });
}
