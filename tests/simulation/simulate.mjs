// `npm run simulate`: short runs of a whole fleet under seeded faults, in virtual time. docs/simulation.md.
//   --seeds N       how many (100)           --from S    the first seed (1)
//   --seed S        one seed, with its event log
//   --mutate NAME   with a defect put into the code on purpose: the seeds are expected to find it
//   --mutate all    with each of the defects, one after the other; fails where one is not found
//   --first         stop at the first seed that fails
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
    first: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

function integer(name, min) {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value >= min) return value;
  console.error(`--${name} ${options[name]}: an integer of at least ${min} is wanted`);
  process.exit(2);
}

if (options.mutate !== undefined && options.mutate !== 'all' && !Object.hasOwn(MUTATIONS, options.mutate)) {
  console.error(`--mutate ${options.mutate}: all, or one of ${Object.keys(MUTATIONS).join(', ')}`);
  process.exit(2);
}
if (options.mutate === 'all' && options.seed !== undefined) {
  console.error('--mutate all: goes with --seeds, not with --seed');
  process.exit(2);
}

/** Starts a process that simulates seeds; `ask(seed, logLines)` gives the outcome and the log's last lines. */
function start(mutation) {
  const child = fork(fileURLToPath(new URL('./run-seeds.mjs', import.meta.url)), [mutation]);
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
  const runner = start(options.mutate ?? '');
  const { outcome, log } = await runner.ask(seed, Number.MAX_SAFE_INTEGER);
  runner.stop();
  if (options.json) console.log(JSON.stringify(outcome));
  else {
    for (const line of log) console.log(line);
    console.log(`seed ${seed}: ${outcome.violation ?? 'as promised'}`);
  }
  process.exitCode = outcome.violation === null ? 0 : 1;
}

/** The outcomes of seeds [from, from + count), in any order; `onFailure` is told of each that failed. */
async function simulateSeeds(mutation, from, count, processes, onFailure) {
  const outcomes = [];
  let next = from;
  let failed = false;
  const work = async () => {
    const runner = start(mutation);
    while (next < from + count && !(failed && options.first)) {
      const { outcome } = await runner.ask(next++, 0);
      outcomes.push(outcome);
      if (outcome.violation === null) continue;
      failed = true;
      await onFailure(outcome, runner);
    }
    runner.stop();
  };
  await Promise.all(Array.from({ length: Math.min(processes, count) }, work));
  return outcomes;
}

async function simulateAll(from, count, processes) {
  const began = performance.now();
  let shown = false;
  const show = async ({ seed, violation }, runner) => {
    if (options.json) return;
    console.error(`seed ${seed}: ${violation}`);
    if (shown) return;
    shown = true;
    const { log } = await runner.ask(seed, LOG_LINES);
    for (const line of log) console.error(line);
    console.error(`^ the end of seed ${seed}; all of it: npm run simulate -- --seed ${seed}`);
  };
  const outcomes = await simulateSeeds(options.mutate ?? '', from, count, processes, show);
  report(outcomes, (performance.now() - began) / 1000);
}

/** Whether the simulation finds what it should. */
async function mutateAll(from, count, processes) {
  const found = {};
  for (const [name, { breaks }] of Object.entries(MUTATIONS)) {
    const outcomes = await simulateSeeds(name, from, count, processes, () => {});
    const failed = outcomes.filter(({ violation }) => violation !== null).map(({ seed }) => seed);
    found[name] = failed.length;
    const first = failed.length === 0 ? 'in none' : `first ${Math.min(...failed)}`;
    if (!options.json)
      console.log(`${name}: found in ${failed.length} of ${outcomes.length} seeds, ${first} (${breaks})`);
  }
  if (options.json) console.log(JSON.stringify({ seeds: count, found }));
  process.exitCode = Object.values(found).every((times) => times > 0) ? 0 : 1;
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
  process.exitCode = failed.length === 0 ? 0 : 1;
}

if (options.seed !== undefined) await replay(integer('seed', 0));
else {
  const all = options.mutate === 'all' ? mutateAll : simulateAll;
  await all(integer('from', 0), integer('seeds', 1), integer('processes', 1));
}
