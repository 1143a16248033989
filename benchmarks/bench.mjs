// `npm run bench`: what Cropstream costs beside its floor and its peers, and which targets it meets (docs/performance.md).
//   --json FILE     machine, versions, every measured value with all its rounds, and the targets
//   --only NAMES    of the suites below, comma-separated     --data FOLDER  of images of one's own
//   --rounds N      of each measurement (5)                  --images N     a round of the pipeline (480)
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { draft } from './draft/draft.mjs';
import { kernels } from './kernels/kernels.mjs';
import { machine, versions } from './machine.mjs';
import { pipeline } from './pipeline/pipeline.mjs';
import { queue } from './queue.mjs';
import { service } from './service/service.mjs';
import { start } from './start/start.mjs';
import { TARGETS } from './targets.mjs';
import { transport } from './transport/transport.mjs';

const SUITES = { pipeline, kernels, draft, transport, service, start, queue };

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string' },
    data: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    images: { type: 'string', default: '480' },
  },
});
const names = flags.only?.split(',') ?? Object.keys(SUITES);
const unknown = names.filter((name) => SUITES[name] === undefined);
const [rounds, images] = [Number(flags.rounds), Number(flags.images)];
if (unknown.length > 0 || !(rounds >= 1) || !(images >= 1)) {
  console.error(
    unknown.length > 0
      ? `--only ${unknown.join(',')}: there are ${Object.keys(SUITES).join(', ')}`
      : '--rounds and --images want integers from 1',
  );
  process.exit(2);
}
const options = { rounds, images, ...(flags.data !== undefined && { data: resolve(flags.data) }) };

const began = { at: new Date().toISOString(), ...machine() };
const suites = {};
const failed = [];
for (const name of names) {
  console.error(`${name} ...`);
  try {
    suites[name] = await SUITES[name](options);
    print(name, suites[name]);
  } catch (error) {
    // The others' figures are worth having all the same.
    console.error(error);
    failed.push(name);
  }
}
const targets = TARGETS.flatMap(({ what, suite, measure, target }) => {
  const found = suites[suite]?.measures[measure];
  return found === undefined
    ? []
    : [
        {
          what,
          target: target.text,
          value: found.median,
          low: found.low,
          high: found.high,
          met: target.met(found.median),
        },
      ];
});
printTargets();
if (flags.json !== undefined) {
  const result = { machine: began, versions: versions(), options, suites, targets };
  writeFileSync(resolve(process.env.INIT_CWD ?? '.', flags.json), `${JSON.stringify(result, null, 2)}\n`);
}
if (failed.length > 0) console.log(`\nFAILED  ${failed.join(', ')}: see above`);
process.exit(failed.length > 0 ? 1 : 0);

function print(name, { measures, versions: ran = [], notMeasured = [] }) {
  console.log(`\n${name}`);
  for (const line of ran) console.log(`  ${line}`);
  for (const [what, { median, low, high, unit }] of Object.entries(measures)) {
    console.log(
      `  ${what.padEnd(48)} ${digits(median).padStart(9)} ${unit.padEnd(9)} ${digits(low)} to ${digits(high)}`,
    );
  }
  for (const line of notMeasured) console.log(`  NOT MEASURED  ${line}`);
}

function printTargets() {
  if (targets.length === 0) return;
  const { cores, cpu, load, node } = began;
  console.log(`\ntargets, on ${cores} cores of ${cpu}, load ${load} at the start; Node ${node}`);
  for (const { what, target, value, low, high, met } of targets) {
    const said = `${digits(value).padStart(8)} (${digits(low)} to ${digits(high)})`;
    console.log(`  ${met ? 'met   ' : 'MISSED'} ${what.padEnd(66)} ${target.padEnd(8)} ${said}`);
  }
}

function digits(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
