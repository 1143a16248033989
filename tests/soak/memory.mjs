// `npm run memory`: is memory flat? A service and trainers as separate processes, their own memory from /proc.
// docs/memory.md says what each scenario does and how it is judged. Needs Linux and a build.
//   --quick          half a minute instead of some minutes a scenario, with wider bounds
//   --only NAME      slow, absent, sizes or prefetch; repeatable
//   --seed N         of the interruptions
//   --json           one JSON object on stdout instead of the table
//   --out FILE       draw the curves to a PNG
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endOnSignals } from '../processes.mjs';
import { SCENARIOS, SIZES } from './scenarios.mjs';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: Object.keys(SCENARIOS) },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const unknown = flags.only.find((name) => !(name in SCENARIOS));
if (process.platform !== 'linux' || unknown !== undefined) {
  const reason =
    unknown === undefined ? 'needs Linux: it reads /proc' : `--only ${unknown}: there is no such scenario`;
  console.error(`npm run memory ${reason}`);
  process.exit(1);
}
endOnSignals();

const folder = mkdtempSync(join(tmpdir(), 'cropstream-memory-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const size = flags.quick ? SIZES.quick : SIZES.full;
const results = [];
for (const name of flags.only) {
  const began = performance.now();
  const result = await SCENARIOS[name]({ folder, size, seed: Number(flags.seed) });
  results.push({ ...result, seconds: (performance.now() - began) / 1000 });
  if (!flags.json) print(results.at(-1));
}
if (flags.out !== undefined) {
  const { drawCurves } = await import('./chart.mjs');
  writeFileSync(flags.out, await drawCurves(results));
}
const ok = results.every(({ checks }) => checks.every((check) => check.ok));
if (flags.json) {
  const plain = results.map(({ curves, ...result }) => ({ ...result, samples: curves.serve.length }));
  console.log(JSON.stringify({ ok, scenarios: plain }));
}
process.exit(ok ? 0 : 1);

function print({ name, detail, rows, checks, seconds }) {
  const number = (value) => value.toFixed(1).padStart(9);
  console.log(`\n${name}: ${detail}; ${seconds.toFixed(0)} s`);
  console.log(`  MiB, second half        min      max    slope per 1,000 batches     peak of all`);
  for (const { who, min, max, slope, peak } of rows) {
    console.log(
      `  ${who.padEnd(16)} ${number(min)}${number(max)}  ${number(slope)}                ${number(peak)}`,
    );
  }
  for (const { what, value, bound, unit, ok } of checks) {
    const amounts = `${Number(value.toFixed(1))} ${unit}, at most ${Number(bound.toFixed(1))}`;
    console.log(`  ${ok ? 'ok  ' : 'FAIL'} ${what}: ${amounts}`);
  }
}
