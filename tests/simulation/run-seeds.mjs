// A process that simulates the seeds it is asked for. Its argument is the mutation to put into the code, or ''.
import { register } from 'node:module';
import { MUTATIONS } from './mutations.mjs';

const mutation = process.argv[2];
if (mutation) register('./mutate-hooks.mjs', import.meta.url, { data: MUTATIONS[mutation] });

const { simulate } = await import('./dist/simulation.js');

process.on('message', async ({ seed, logLines }) => {
  const log = [];
  const keep = (line) => {
    log.push(line);
    if (log.length > 2 * logLines) log.splice(0, log.length - logLines);
  };
  const outcome = await simulate(seed, logLines > 0 ? keep : null);
  process.send({ outcome, log: log.slice(-logLines) });
});
