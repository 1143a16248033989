import { CommanderError } from 'commander';
import { exitCodeOf, printFailure } from './failures.js';
import { createProgram } from './program.js';

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
