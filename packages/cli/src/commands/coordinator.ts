import type { CoordinatorProcess } from '@cropstream/coordinator/process';
import type { Command } from 'commander';
import { ownerOption } from '../flags.js';
import { formatCount, Output } from '../output.js';
import { addRunOptions, type RunOptions, runInput } from '../run-options.js';

interface CoordinatorOptions extends RunOptions {
  readonly name?: string;
  readonly owner: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('coordinator')
    .summary("a fleet's coordinator, configured by its environment")
    .description(
      "A fleet's coordinator. Redis, addresses and limits come from the environment: docs/operations.md has the table.\nWith --data or --spec it opens that run at its start; trainers may open others. Any number may run.",
    )
    .option('--name <run>', 'the name that trainers open the run by (default: the spec\'s, else "default")')
    .addOption(ownerOption())
    .option('--json', 'print one JSON object once trainers may attach');
  addRunOptions(command).action(coordinator);
}

async function coordinator(options: CoordinatorOptions): Promise<void> {
  const output = new Output(options);
  const { data, spec, name, owner } = options;
  const input = data === undefined && spec === undefined ? null : await runInput(options, output);
  if (input && name !== undefined) input.name = name;
  const { runCoordinator } = await import('@cropstream/coordinator/process');
  const { transform, sourceModule } = options;
  const env = {
    ...process.env,
    ...(transform && { CROPSTREAM_TRANSFORMS: transform.join(',') }),
    ...(sourceModule && { CROPSTREAM_SOURCES: sourceModule.join(',') }),
  };
  announce(output, await runCoordinator(env, input && { owner, spec: input }));
}

function announce(output: Output, { service, host, run }: CoordinatorProcess): void {
  const target = `${host}:${service.port}`;
  const http = `${service.httpScheme}://${host}:${service.httpPort}`;
  const info = run?.run.info;
  const facts = info && {
    run: info.name,
    digest: info.digest,
    samples: Number(info.samples),
    steps_per_epoch: Number(info.stepsPerEpoch),
  };
  if (facts) {
    const { samples, steps_per_epoch: steps } = facts;
    output.line(
      `run        ${facts.run}: ${formatCount(samples)} samples, ${formatCount(steps)} steps an epoch`,
    );
    output.line(`digest     ${facts.digest}`);
  }
  output.line(`trainers   ${target}`);
  output.line(`dashboard  ${http}/   (beside it /metrics, /healthz, /readyz, /api/docs)`);
  // Last, so that a script that waits for it has everything before it.
  output.json({ target, http, ...facts });
}
