// Loaded into a service by --import: on SIGUSR2 it collects its garbage, and says what memory is left in a line of its log.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  process.on('SIGUSR2', () => {
    // Twice: what was kept until the first by finalizers goes with the second.
    collect();
    setImmediate(() => {
      collect();
      process.stderr.write(`${JSON.stringify({ memory: process.memoryUsage() })}\n`);
    });
  });
}
