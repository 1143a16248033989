import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { register as registerAugment } from './commands/augment.js';
import { register as registerBench } from './commands/bench.js';
import { register as registerConvert } from './commands/convert.js';
import { register as registerCoordinator } from './commands/coordinator.js';
import { register as registerDoctor } from './commands/doctor.js';
import { register as registerIndex } from './commands/index-dataset.js';
import { register as registerPreview } from './commands/preview.js';
import { register as registerPull } from './commands/pull.js';
import { register as registerReplay } from './commands/replay.js';
import { register as registerServe } from './commands/serve.js';
import { register as registerSpec } from './commands/spec.js';
import { register as registerStats } from './commands/stats.js';
import { register as registerToken } from './commands/token.js';
import { register as registerWorker } from './commands/worker.js';

/** The command line. Commands import what they need when they run, so that `--help` is instant. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('cropstream')
    .description('Seeded multi-crop batches of an image dataset, byte for byte the same anywhere, over gRPC.')
    .version(version)
    // main tells of its errors in the way of all others.
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 interrupted.
Every command's flags and examples: docs/cli.md.`,
    );
  for (const register of [
    registerServe,
    registerCoordinator,
    registerWorker,
    registerPull,
    registerPreview,
    registerAugment,
    registerStats,
    registerBench,
    registerReplay,
    registerIndex,
    registerConvert,
    registerSpec,
    registerDoctor,
    registerToken,
  ]) {
    register(program);
  }
  return program;
}
