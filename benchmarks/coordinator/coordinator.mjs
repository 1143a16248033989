// `npm run bench:coordinator`: what scheduling a chunk costs, without pixels. A coordinator's own process and a
// redis-server of its own, 256 ranks and 64 simulated workers in two further processes, all on the loopback.
// docs/scaling.md says what it shows. Needs Linux and a build.
//   --json [FILE]     one JSON object on stdout, or in a file
//   --ranks N         (256)   --workers N  (64)   --window N  chunks that each rank may have ahead (4)
//   --seconds N       of each measurement (20), after a warm-up of a quarter of it
//   --cpu-prof DIR    profiles of the coordinator and of the workers' process into that folder
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedisServer } from '../../scripts/redis.mjs';
import { cpuMsOf, machine } from '../machine.mjs';
import { commandsPerChunk, RedisUsage } from './redis-usage.mjs';
import { openRun } from './run.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    ranks: { type: 'string', default: '256' },
    workers: { type: 'string', default: '64' },
    window: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '20' },
    'cpu-prof': { type: 'string' },
  },
});
const [ranks, workers, window, seconds] = ['ranks', 'workers', 'window', 'seconds'].map((name) => {
  const value = Number(flags[name]);
  if (Number.isInteger(value) && value >= 1) return value;
  console.error(`--${name} ${flags[name]}: an integer of at least 1 is wanted`);
  return process.exit(2);
});

/** At most. */
const WARM_UP_SECONDS = 60;

const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** What the coordinator warned of, and how often. */
let warnings = {};

const progress = (text) => console.error(text);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function keep(child, name) {
  children.add(child);
  child.once('exit', (code) => {
    if (!children.delete(child)) return;
    console.error(`the ${name} ended with ${code}`);
    process.exit(1);
  });
  return child;
}

function stop(child) {
  children.delete(child);
  if (child.connected) child.disconnect();
  else child.kill('SIGTERM');
  return once(child, 'exit');
}

function profiled(name) {
  const folder = flags['cpu-prof'];
  return folder === undefined
    ? []
    : ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`];
}

/** A driver in a process of its own, once it has said that it is up. */
async function drive(script, args) {
  const execArgv = profiled(script.replace('.mjs', ''));
  const child = keep(fork(join(here, script), args.map(String), { execArgv }), script);
  await once(child, 'message');
  return child;
}

async function ask(child, question) {
  child.send(question);
  const [answer] = await once(child, 'message');
  return answer;
}

async function startCoordinator(url) {
  const main = join(here, '../../services/coordinator/dist/main.js');
  const env = {
    ...process.env,
    REDIS_URL: url,
    CROPSTREAM_HOST: '127.0.0.1',
    CROPSTREAM_PORT: '0',
    CROPSTREAM_HTTP_PORT: '0',
    CROPSTREAM_LOG_LEVEL: 'info',
  };
  const stdio = ['ignore', 'ignore', 'pipe'];
  const child = keep(
    spawn(process.execPath, [...profiled('coordinator'), main], { env, stdio }),
    'coordinator',
  );
  // Its log, a line of JSON each.
  return new Promise((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const { level, msg, port, httpPort } = JSON.parse(line);
      if (level !== 'info') warnings[msg] = (warnings[msg] ?? 0) + 1;
      if (msg !== 'coordinating') return;
      resolve({ child, target: `127.0.0.1:${port}`, http: `http://127.0.0.1:${httpPort}` });
    });
  });
}

/** Jobs put into the queue; more than chunks where some were put there again. */
async function queued(http) {
  const text = await (await fetch(`${http}/metrics`)).text();
  return Number(/^cropstream_coordinator_chunks_scheduled_total (\d+)/m.exec(text)?.[1] ?? 0);
}

/** Until every rank has had its window a few times over: sixty-four workers that open a run at once take their time. */
async function warmUp(trainers) {
  let chunks = 0;
  for (let tries = 0; tries < WARM_UP_SECONDS && chunks < 4 * ranks * window; tries++) {
    await sleep(1_000);
    chunks += (await ask(trainers, {})).waits.length;
  }
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** One measured window; ranks yield `chunksPerSecond` in all, or 0: at once. */
async function measure(fleet, chunksPerSecond) {
  const { usage, coordinator, trainers, fleetWorkers } = fleet;
  await ask(trainers, { chunksPerSecond });
  await sleep((seconds * 1000) / 4);
  await ask(trainers, {});
  await ask(fleetWorkers, {});
  warnings = {};
  const look = async () => ({
    at: performance.now(),
    queued: await queued(coordinator.http),
    coordinatorMs: cpuMsOf(coordinator.child.pid),
    workersMs: cpuMsOf(fleetWorkers.pid),
    ranksMs: cpuMsOf(trainers.pid),
    redis: await usage.look(),
  });
  const before = await look();
  await sleep(seconds * 1000);
  const { waits } = await ask(trainers, {});
  const after = await look();
  const workerWarnings = (await ask(fleetWorkers, {})).warnings;
  waits.sort((a, b) => a - b);
  const chunks = waits.length;
  const spent = (name) => (after[name] - before[name]) / chunks;
  const redisMs = after.redis.cpuMs - before.redis.cpuMs;
  const elapsedMs = after.at - before.at;
  const commands = commandsPerChunk(before.redis, after.redis, chunks);
  return {
    chunks,
    seconds: elapsedMs / 1000,
    chunks_per_second: (1000 * chunks) / elapsedMs,
    coordinator_cpu_ms_per_chunk: spent('coordinatorMs'),
    redis_cpu_ms_per_chunk: redisMs / chunks,
    worker_cpu_ms_per_chunk: spent('workersMs'),
    rank_cpu_ms_per_chunk: spent('ranksMs'),
    jobs_queued_per_chunk: spent('queued'),
    redis_commands_per_chunk: commands.sent,
    redis_bytes_per_chunk: (after.redis.bytes - before.redis.bytes) / chunks,
    coordinator_cores: (after.coordinatorMs - before.coordinatorMs) / elapsedMs,
    redis_cores: redisMs / elapsedMs,
    credit_to_ready_ms: {
      p50: percentile(waits, 0.5),
      p90: percentile(waits, 0.9),
      p99: percentile(waits, 0.99),
    },
    commands: commands.all,
    warnings: { ...warnings, ...workerWarnings },
  };
}

function print(title, result) {
  const ms = (value) => `${value.toFixed(3)} ms`;
  const { credit_to_ready_ms: wait } = result;
  console.log(`\n${title}: ${result.chunks} chunks in ${result.seconds.toFixed(1)} s`);
  const rows = [
    ['chunks scheduled a second', result.chunks_per_second.toFixed(0)],
    ['jobs queued a chunk', result.jobs_queued_per_chunk.toFixed(2)],
    ['CPU a chunk: coordinator', `${ms(result.coordinator_cpu_ms_per_chunk)}  (target 0.5)`],
    ['CPU a chunk: Redis', `${ms(result.redis_cpu_ms_per_chunk)}  (target 0.5)`],
    ['CPU a chunk: simulated workers', ms(result.worker_cpu_ms_per_chunk)],
    ['CPU a chunk: simulated ranks', ms(result.rank_cpu_ms_per_chunk)],
    [
      'cores in use: coordinator, Redis',
      `${result.coordinator_cores.toFixed(2)}, ${result.redis_cores.toFixed(2)}`,
    ],
    ['commands sent to Redis a chunk', result.redis_commands_per_chunk.toFixed(2)],
    ['bytes to and from Redis a chunk', result.redis_bytes_per_chunk.toFixed(0)],
    [
      'credit to ready: p50, p90, p99',
      [wait.p50, wait.p90, wait.p99].map((value) => `${value.toFixed(1)} ms`).join(', '),
    ],
  ];
  for (const [name, value] of rows) console.log(`  ${name.padEnd(36)}${value}`);
  const calls = result.commands.slice(0, 24).map(({ command, calls }) => `${command} ${calls.toFixed(2)}`);
  console.log(`  every command a chunk, those inside scripts too:\n    ${calls.join(', ')}`);
  for (const [warning, times] of Object.entries(result.warnings)) {
    console.log(`  warned ${times} times: ${warning}`);
  }
}

progress('starting Redis, a coordinator, workers and ranks ...');
const redis = await startRedisServer();
const usage = new RedisUsage(redis.url);
await openRun({ url: redis.url, ranks });
const coordinator = await startCoordinator(redis.url);
const fleetWorkers = await drive('workers.mjs', [redis.url, workers]);
const trainers = await drive('ranks.mjs', [coordinator.target, ranks, window]);
const fleet = { usage, coordinator, trainers, fleetWorkers };
progress('warming up ...');
await warmUp(trainers);
progress(`measuring ${seconds} s as fast as it goes ...`);
const fastest = await measure(fleet, 0);
progress(`measuring ${seconds} s at half of that rate ...`);
const half = await measure(fleet, Math.max(1, fastest.chunks_per_second / 2));
const facts = await usage.facts();
const on = { ...machine(), redis: facts.version };
const setup = { ranks, workers, window, chunk_samples: 64, redis_connections: facts.connections };
for (const child of [trainers, fleetWorkers, coordinator.child]) await stop(child);
usage.close();
await redis.stop();
const result = { machine: on, setup, redis_memory_mib: facts.memory_mib, ...fastest, at_half_rate: half };
if (!flags.json) {
  console.log(`\n${on.cores} cores of ${on.cpu}, load ${on.load}; Node ${on.node}, Redis ${on.redis}`);
  console.log(
    `${ranks} ranks with ${window} chunks ahead each, ${workers} workers; ${facts.connections} connections to Redis`,
  );
  print('As fast as it goes', fastest);
  print('At half of that rate', half);
} else if (positionals[0] === undefined) console.log(JSON.stringify(result));
else writeFileSync(positionals[0], `${JSON.stringify(result, null, 2)}\n`);
