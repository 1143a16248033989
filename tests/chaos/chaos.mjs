// @ts-check
// `npm run chaos`: a fleet of processes is killed, stopped and cut off at random while four ranks draw, and every rank's
// stream must be the undisturbed one. docs/chaos.md says what is done and what is checked. Needs Linux and a build.
//   --seed S       of the faults (1)
//   --kills N      SIGKILLs in all; stops, cuts and silences come besides (100)
//   --out FILE     draws the stalls to a PNG
//   --json [FILE]  one JSON object on stdout instead of the report, or beside it in a file
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { endOnSignals } from '../processes.mjs';
import { drawStalls } from './chart.mjs';
import { drawRun, Fleet, undisturbed, writeSpec } from './fleet.mjs';
import { planFaults } from './plan.mjs';
import { report, summary } from './report.mjs';
import { stallsByKind } from './stalls.mjs';
import { compareStreams, readJournal } from './streams.mjs';

const { values: options, positionals } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
  allowPositionals: true,
});

/** @param {'seed' | 'kills'} name @param {number} min */
function integer(name, min) {
  const value = Number(options[name]);
  if (Number.isSafeInteger(value) && value >= min) return value;
  console.error(`--${name} ${options[name]}: an integer of at least ${min} is wanted`);
  return process.exit(2);
}

const seed = integer('seed', 0);
const kills = integer('kills', 1);
const [file, ...rest] = positionals;
if (rest.length > 0 || (file !== undefined && !options.json)) {
  console.error(`${positionals.at(-1)}: a file is taken after --json alone`);
  process.exit(2);
}
if (process.platform !== 'linux') {
  console.error(
    'npm run chaos needs Linux: services and their proxies share ports of 127.0.0.1 and 127.0.0.2',
  );
  process.exit(1);
}
endOnSignals();

/** Batches that every rank still draws when the last fault is over. */
const CALM_STEPS = 30;
/** Before the first fault. */
const WARM_MS = 3_000;
const TOLD_MS = 5_000;

const folder = mkdtempSync(join(tmpdir(), 'cropstream-chaos-'));
const spec = writeSpec(folder, await drawRun(folder));
const fleet = await Fleet.start(folder, spec);
fleet.startTrainers();
const faults = planFaults(seed, kills);
const began = performance.now();

const faultsFile = join(folder, 'logs', 'faults.jsonl');
let struck = 0;
const tell = () => {
  const now = performance.now();
  const waits = fleet.committedAt.map((at) => ((now - at) / 1000).toFixed(1)).join(' ');
  const killed = Object.values(fleet.kills).reduce((sum, count) => sum + count, 0);
  console.error(
    `${((now - began) / 1000).toFixed(0).padStart(4)} s  fault ${struck}/${faults.length}, ${killed} kills, ${fleet.cuts} connections cut; batches of the ranks ${fleet.committed.join(' ')}, the last ${waits} s ago`,
  );
};
const telling = setInterval(tell, TOLD_MS);

await sleep(WARM_MS);
const done = [];
const lasting = [];
for (const fault of faults) {
  await sleep(fault.gapMs);
  struck++;
  // A kill waits for a process where its part is down; what lasts goes on beside the next faults.
  const striking = fleet.strike(fault);
  if (fault.kind === 'kill') await striking;
  else lasting.push(striking);
  done.push({ ...fault, at: Date.now() });
  appendFileSync(faultsFile, `${new Date().toISOString()} ${JSON.stringify(fault)}\n`);
}
await Promise.all(lasting);
const end = await fleet.finish(CALM_STEPS);
clearInterval(telling);
tell();
const seconds = (performance.now() - began) / 1000;
await fleet.stop();

console.error(`drawing the same ${end} steps undisturbed, from one process ...`);
const expected = await undisturbed(folder, spec, end);
const journals = expected.map((_, rank) => readJournal(fleet.journal(rank)));
const waits = journals.flatMap((commits, rank) =>
  commits.map(({ asked, waited }) => ({ rank, from: asked, to: asked + waited })),
);
const stalls = stallsByKind(done, waits);
const result = summary({
  ...{ seed, kills, seconds, steps: end, killed: fleet.kills, cuts: fleet.cuts, failures: fleet.failures },
  ...{ faults: done, waits, stalls, starts: fleet.starts },
  ranks: journals.map((commits, rank) =>
    compareStreams(
      commits.map(({ step, digest }) => `${step} ${digest}`),
      expected[rank] ?? [],
    ),
  ),
});
if (options.out !== undefined) {
  const detail = `${done.length} faults in ${Math.round(seconds)} s, seed ${seed}; each mark a fault, each line a median`;
  writeFileSync(options.out, await drawStalls(stalls, detail));
}
if (file !== undefined) writeFileSync(file, JSON.stringify(result));
if (options.json && file === undefined) console.log(JSON.stringify(result));
else console.log(report(result));
if (result.ok) rmSync(folder, { recursive: true, force: true });
else console.error(`what the parts logged lies in ${join(folder, 'logs')}`);
process.exit(result.ok ? 0 : 1);
