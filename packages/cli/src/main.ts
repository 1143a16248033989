import { CommanderError } from 'commander';
import { exitCodeOf, printFailure } from './failures.js';
import { unwritable } from './outputs.js';
import { createProgram } from './program.js';
import { usageFailure } from './usage.js';

// `cropstream stats | head` closes our stdout: nobody reads on, so there is nothing left to do.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  printFailure(unwritable('to stdout', error), { json: false });
  process.exit(1);
});

const program = createProgram();
try {
  await program.parseAsync();
} catch (thrown) {
  // --help and --version end here as well, and so does `cropstream` alone; commander has printed them.
  if (thrown instanceof CommanderError && (thrown.exitCode === 0 || thrown.code === 'commander.help')) {
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    const error = thrown instanceof CommanderError ? usageFailure(thrown, program) : thrown;
    printFailure(error, { json: process.argv.includes('--json') });
    process.exitCode = exitCodeOf(error);
  }
}
