// What one trainer's client draws, and what that costs: npm run bench:client -- [--rounds 5] [--steps 40] [--json FILE]
// docs/client-python.md says what it shows. Needs a build.
//
// 1. MB/s and CPU-seconds a GB of the Python client, of the TypeScript client, and of bare grpcio streams of the same frames,
//    from a service whose chunks cost nothing. All in turn, several rounds, medians.
// 2. The share of its time that a training loop waits for data, by `prefetch`, from a service of steady pace.
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepare } from '../../scripts/python-client.mjs';
import { machine } from '../machine.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '40' },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const WARMUP = 4;
const BATCH = 128;
const CHUNK = 64;
const PREFETCHES = [1, 2, 3, 4, 6, 8];
const MAKE_MS = 40;

const { python, missing } = prepare();
if (python === undefined) throw new Error(missing);
const env = { ...process.env, PYTHONPATH: here('../../packages/client-python/src') };

/** Runs a command that prints one JSON object, and ends. */
async function measure(command, args) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks = [];
  for await (const chunk of child.stdout) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (text === '') throw new Error(`${command} ${args.join(' ')} printed nothing`);
  return JSON.parse(text);
}

/** Starts a service, whose first line on stdout is JSON. */
async function serve(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const { value: line } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  if (line === undefined) throw new Error(`${args.join(' ')} ended at once`);
  return { ready: JSON.parse(line), stop: () => child.kill('SIGKILL') };
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
const say = (line) => process.stderr.write(`${line}\n`);

async function throughput() {
  const { ready, stop } = await serve([here('./fleet.mjs'), '--batch', `${BATCH}`, '--chunk', `${CHUNK}`]);
  const common = ['--target', ready.target, '--warmup', `${WARMUP}`, '--steps', values.steps];
  const sizes = ['--batch', `${BATCH}`, '--chunk', `${CHUNK}`, '--chunk-bytes', `${ready.chunkBytes}`];
  const byPython = (how) => () =>
    measure(python, [here('./draw.py'), '--how', how, '--worker', ready.worker, ...common, ...sizes]);
  const clients = {
    'Python client': byPython('loader'),
    'bare grpcio, bytes dropped': byPython('raw'),
    'bare grpcio, summed and copied': byPython('checked'),
    'TypeScript client': () => measure(process.execPath, [here('./draw.mjs'), ...common]),
  };
  const drawn = Object.fromEntries(Object.keys(clients).map((name) => [name, []]));
  try {
    for (let round = 1; round <= rounds; round += 1) {
      for (const [name, run] of Object.entries(clients)) {
        const { bytes, seconds, cpuSeconds } = await run();
        const taken = { mbPerSecond: bytes / 1e6 / seconds, cpuSecondsPerGb: cpuSeconds / (bytes / 1e9) };
        drawn[name].push(taken);
        say(
          `round ${round}/${rounds}  ${name}: ${taken.mbPerSecond.toFixed(0)} MB/s, ${taken.cpuSecondsPerGb.toFixed(2)} CPU-s/GB`,
        );
      }
    }
  } finally {
    stop();
  }
  return Object.entries(drawn).map(([client, all]) => ({
    client,
    mbPerSecond: median(all.map((taken) => taken.mbPerSecond)),
    cpuSecondsPerGb: median(all.map((taken) => taken.cpuSecondsPerGb)),
    rounds: all,
  }));
}

async function waiting() {
  const { ready, stop } = await serve([
    here('./fleet.mjs'),
    ...['--recipe', 'lesson-cifar10', '--batch', '16', '--chunk', '16', '--make-ms', `${MAKE_MS}`],
  ]);
  try {
    const shares = [];
    for (const prefetch of PREFETCHES) {
      // The loop's mean step takes a tenth more than the service takes for a batch, so all waiting can be hidden.
      const loop = [
        '--prefetch',
        `${prefetch}`,
        '--step-seconds',
        `${(1.1 * MAKE_MS) / 1000}`,
        '--steps',
        '60',
      ];
      const all = [];
      for (let round = 1; round <= rounds; round += 1) {
        all.push((await measure(python, [here('./wait.py'), '--target', ready.target, ...loop])).waitShare);
      }
      const waitShare = median(all);
      shares.push({ prefetch, waitShare, rounds: all });
      say(`prefetch ${prefetch}: waits ${(100 * waitShare).toFixed(1)} % of its time`);
    }
    return { makeSeconds: MAKE_MS / 1000, shares };
  } finally {
    stop();
  }
}

function report({ clients, wait }) {
  const bare = clients.find(({ client }) => client.startsWith('bare grpcio, bytes')).cpuSecondsPerGb;
  console.log(
    `\n${'client'.padEnd(32)} ${'MB/s'.padStart(6)}  ${'CPU-s/GB'.padStart(8)}  of bare grpcio's CPU`,
  );
  for (const { client, mbPerSecond, cpuSecondsPerGb } of clients) {
    const ratio = (cpuSecondsPerGb / bare).toFixed(2);
    console.log(
      `${client.padEnd(32)} ${mbPerSecond.toFixed(0).padStart(6)}  ${cpuSecondsPerGb.toFixed(2).padStart(8)}  ${ratio}`,
    );
  }
  console.log('\nprefetch  waits for data');
  for (const { prefetch, waitShare } of wait.shares) {
    const bar = '█'.repeat(Math.round(60 * waitShare));
    console.log(`${`${prefetch}`.padStart(8)}  ${`${(100 * waitShare).toFixed(1)} %`.padStart(6)} ${bar}`);
  }
}

const clients = await throughput();
const wait = await waiting();
const result = { machine: machine(), batch: BATCH, chunk: CHUNK, steps: Number(values.steps), clients, wait };
report(result);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
