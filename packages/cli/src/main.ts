import { CommanderError } from 'commander';
import { exitCodeOf, printFailure } from './failures.js';
import { createProgram } from './program.js';

// `cropstream stats | head` closes our stdout: nobody reads on, so there is nothing left to do.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    // commander has printed its message; --help and --version end here as well, with 0.
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    printFailure(thrown, { json: process.argv.includes('--json') });
    process.exitCode = exitCodeOf(thrown);
  }
}
