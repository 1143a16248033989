// What it costs to draw through a coordinator: npm run bench:relay -- [--rounds 7] [--steps 30] [--json FILE]
// docs/fleet.md says what it shows. Needs a build.
//
// A worker's process whose chunks are ready at once, and a coordinator's that announces and relays them. Each client draws the
// same steps directly and through the coordinator, in turn; medians over rounds. CPU of a process is all of its threads'.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { prepare } from '../../scripts/python-client.mjs';
import { cpuMsOf, machine } from '../machine.mjs';
import { answerOf, fromRoot, startService } from '../processes.mjs';
import { measure, ratio } from '../statistics.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    steps: { type: 'string', default: '30' },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const WARMUP = 2;
const SIZES = ['--batch', '128', '--chunk', '64'];
const ROUTES = { direct: 'never', relayed: 'always' };

const worker = await startService([fromRoot('benchmarks/client/fleet.mjs'), ...SIZES]);
const coordinator = await startService([
  fromRoot('benchmarks/client/fleet.mjs'),
  ...[...SIZES, '--worker', worker.ready.target],
]);
const common = ['--target', coordinator.ready.target, '--warmup', `${WARMUP}`, '--steps', values.steps];
const clients = {
  TypeScript: (env) => answerOf([fromRoot('benchmarks/client/draw.mjs'), ...common], env),
};
const { python, missing } = prepare();
if (python === undefined) console.error(`without the Python client: ${missing}`);
else clients.Python = (env) => drawByPython(env);

function drawByPython(env) {
  const sizes = [...SIZES, '--chunk-bytes', `${coordinator.ready.chunkBytes}`, '--worker', 'bench'];
  const args = [fromRoot('benchmarks/client/draw.py'), '--how', 'loader', ...common, ...sizes];
  return answerOf(args, { PYTHONPATH: fromRoot('packages/client-python/src'), ...env }, python);
}

/** One draw: what the client took, and the two processes, of which only the whole run is known. */
async function take(draw, relay) {
  const before = [worker, coordinator].map(({ pid }) => cpuMsOf(pid));
  const { bytes, seconds, cpuSeconds } = await draw({ CROPSTREAM_RELAY: relay });
  const gigabytes = (bytes * (Number(values.steps) + WARMUP)) / Number(values.steps) / 1e9;
  const [workerCpu, coordinatorCpu] = [worker, coordinator].map(
    ({ pid }, i) => (cpuMsOf(pid) - before[i]) / 1000 / gigabytes,
  );
  return {
    mbPerSecond: bytes / 1e6 / seconds,
    clientCpu: cpuSeconds / (bytes / 1e9),
    ...{ workerCpu, coordinatorCpu },
  };
}

const taken = Object.fromEntries(Object.keys(clients).map((client) => [client, { direct: [], relayed: [] }]));
try {
  for (let round = 0; round < rounds; round++) {
    for (const [client, draw] of Object.entries(clients)) {
      // Every second round goes backwards: none always follows the same.
      const order = Object.keys(ROUTES);
      for (const route of round % 2 === 0 ? order : order.reverse()) {
        const one = await take(draw, ROUTES[route]);
        taken[client][route].push(one);
        console.error(
          `round ${round + 1}/${rounds}  ${client} ${route}: ${one.mbPerSecond.toFixed(0)} MB/s, coordinator ${one.coordinatorCpu.toFixed(2)} CPU-s/GB`,
        );
      }
    }
  }
} finally {
  await Promise.all([worker.stop(), coordinator.stop()]);
}

const of = (all, what) => all.map((one) => one[what]);
const measures = Object.fromEntries(
  Object.entries(taken).flatMap(([client, { direct, relayed }]) => [
    [`${client}, direct`, measure('MB/s', 'higher', of(direct, 'mbPerSecond'))],
    [`${client}, relayed`, measure('MB/s', 'higher', of(relayed, 'mbPerSecond'))],
    [`${client}, relayed / direct`, ratio('higher', of(relayed, 'mbPerSecond'), of(direct, 'mbPerSecond'))],
    [`coordinator for ${client}, direct`, measure('CPU-s/GB', 'lower', of(direct, 'coordinatorCpu'))],
    [`coordinator for ${client}, relayed`, measure('CPU-s/GB', 'lower', of(relayed, 'coordinatorCpu'))],
    [`worker for ${client}, direct`, measure('CPU-s/GB', 'lower', of(direct, 'workerCpu'))],
    [`worker for ${client}, relayed`, measure('CPU-s/GB', 'lower', of(relayed, 'workerCpu'))],
    [`${client} client, direct`, measure('CPU-s/GB', 'lower', of(direct, 'clientCpu'))],
    [`${client} client, relayed`, measure('CPU-s/GB', 'lower', of(relayed, 'clientCpu'))],
  ]),
);
for (const [name, { median, low, high, unit }] of Object.entries(measures)) {
  const digits = unit === 'MB/s' ? 0 : 2;
  const [middle, from, to] = [median, low, high].map((value) => value.toFixed(digits));
  console.log(`${name.padEnd(36)} ${middle.padStart(6)} ${unit.padEnd(9)} (${from} to ${to})`);
}
const result = { machine: machine(), rounds, steps: Number(values.steps), measures };
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
