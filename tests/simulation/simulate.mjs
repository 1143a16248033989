// `npm run simulate`: short runs of a whole fleet under seeded faults, in virtual time. docs/simulation.md.
//   --seeds N       how many (100)           --from S    the first seed (1)
//   --seed S        one seed, with its event log
//   --mutate NAME   with a defect put into the code on purpose: the seeds are expected to find it
//   --processes N   at a time (one a core)   --json      one object on stdout
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MUTATIONS } from './mutations.mjs';

const LOG_LINES = 2_000;

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    mutate: { type: 'string' },
    processes: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
  },
});

function integer(name, min) {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value >= min) return value;
  console.error(`--${name} ${options[name]}: an integer of at least ${min} is wanted`);
  process.exit(2);
}

if (options.mutate !== undefined && !Object.hasOwn(MUTATIONS, options.mutate)) {
  console.error(`--mutate ${options.mutate}: one of ${Object.keys(MUTATIONS).join(', ')}`);
  process.exit(2);
}

/** Starts a process that simulates seeds; `ask(seed, logLines)` gives the outcome and the log's last lines. */
function start() {
  const child = fork(fileURLToPath(new URL('./run-seeds.mjs', import.meta.url)), [options.mutate ?? '']);
  let answer = () => {};
  child.on('message', (message) => answer(message));
  child.on('exit', (code) => {
    if (code === null || code === 0) return;
    console.error(`a simulating process ended with ${code}`);
    process.exit(2);
  });
  return {
    ask: (seed, logLines) =>
      new Promise((resolve) => {
        answer = resolve;
        child.send({ seed, logLines });
      }),
    stop: () => child.kill(),
  };
}

async function replay(seed) {
  const runner = start();
  const { outcome, log } = await runner.ask(seed, Number.MAX_SAFE_INTEGER);
  runner.stop();
  if (options.json) console.log(JSON.stringify(outcome));
  else {
    for (const line of log) console.log(line);
    console.log(`seed ${seed}: ${outcome.violation ?? 'as promised'}`);
  }
  process.exit(outcome.violation === null ? 0 : 1);
}

async function simulateAll(from, count, processes) {
  const outcomes = [];
  const began = performance.now();
  let next = from;
  let shown = false;
  const work = async () => {
    const runner = start();
    while (next < from + count) {
      const seed = next++;
      const { outcome } = await runner.ask(seed, 0);
      outcomes.push(outcome);
      if (outcome.violation === null || options.json) continue;
      console.error(`seed ${seed}: ${outcome.violation}`);
      if (shown) continue;
      shown = true;
      const { log } = await runner.ask(seed, LOG_LINES);
      for (const line of log) console.error(line);
      console.error(`^ the end of seed ${seed}; all of it: npm run simulate -- --seed ${seed}`);
    }
    runner.stop();
  };
  await Promise.all(Array.from({ length: Math.min(processes, count) }, work));
  report(outcomes, (performance.now() - began) / 1000);
}

function report(outcomes, seconds) {
  outcomes.sort((a, b) => a.seed - b.seed);
  const failed = outcomes.filter(({ violation }) => violation !== null);
  const totals = {};
  for (const { counts } of outcomes) {
    for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count;
  }
  const waits = outcomes.map(({ longestWaitMs }) => longestWaitMs).sort((a, b) => a - b);
  const result = {
    seeds: outcomes.length,
    failed: failed.length,
    failures: failed.map(({ seed, violation }) => ({ seed, violation })),
    seconds: Number(seconds.toFixed(1)),
    seeds_per_second: Number((outcomes.length / seconds).toFixed(1)),
    virtual_seconds: Math.round(outcomes.reduce((sum, { virtualMs }) => sum + virtualMs, 0) / 1000),
    // The longest wait for a batch once faults had ended, over the seeds.
    wait_seconds: {
      p50: waits[Math.floor(waits.length / 2)] / 1000,
      p99: waits[Math.floor(waits.length * 0.99)] / 1000,
      max: waits.at(-1) / 1000,
    },
    ...totals,
  };
  if (options.json) console.log(JSON.stringify(result));
  else {
    const { seeds, failures: _, ...rest } = result;
    console.log(`${seeds} seeds, ${result.failed} failed`);
    for (const [name, value] of Object.entries(rest)) console.log(`  ${name}: ${JSON.stringify(value)}`);
  }
  process.exit(failed.length === 0 ? 0 : 1);
}

if (options.seed !== undefined) await replay(integer('seed', 0));
else await simulateAll(integer('from', 0), integer('seeds', 1), integer('processes', 1));
