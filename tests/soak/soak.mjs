// `npm run soak`: is the memory of a whole fleet flat? Redis, two coordinators, two workers and trainers that are steady,
// slow, stopped again and again, killed again and again, and one that hangs with all that it asked for in the outboxes.
// docs/memory.md says how it is judged. Needs Linux and a build.
//   --minutes N   (20)
//   --seed S      of the interruptions (1)
//   --json        one JSON object on stdout instead of the table
//   --out FILE    draw the curves to a PNG
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startRedisServer } from '../../scripts/redis.mjs';
import { comesTrue, endOnSignals, metrics, startCoordinator, startWorker } from '../processes.mjs';
import { randomOf } from '../random.mjs';
import { drawSmall } from './images.mjs';
import { judgeFloors, ownMebibytes } from './own-memory.mjs';
import { pull } from './processes.mjs';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const minutes = Number(flags.minutes);
if (process.platform !== 'linux' || !(minutes > 0)) {
  console.error(
    minutes > 0
      ? 'npm run soak needs Linux: it reads /proc'
      : `--minutes ${flags.minutes}: a number above 0 is wanted`,
  );
  process.exit(minutes > 0 ? 1 : 2);
}
endOnSignals();

const SPEC = {
  name: 'soak',
  seed: 7,
  global_batch_size: 32,
  chunk_size: 16,
  views: {
    global: { count: 2, size: 64, scale: [0.4, 1] },
    local: { count: 4, size: 32, scale: [0.05, 0.4] },
  },
};
/** Small, so that outboxes and pools are full long before the second half, and evictions are the rule. */
const LIMITS = { CROPSTREAM_MAX_CHUNK_BYTES: '4MiB' };
const WORKER = { ...LIMITS, CROPSTREAM_OUTBOX_BYTES: '64MiB' };
/** What Redis may append before it writes its file anew, so that this happens within the warm-up. */
const REDIS = ['--maxmemory-policy', 'noeviction', '--auto-aof-rewrite-min-size', '8mb'];

/** The trainers that live throughout, with their steps' milliseconds. */
const STEADY_MS = 100;
const SLOW_MS = 1_000;
/** Steps asked for ahead by the one that hangs: 2.3 MiB each, twice what both outboxes hold. */
const HUNG_PREFETCH = 128;
/** How long interrupted trainers draw and how long they are stopped, each times 0.5 to 1.5. */
const DRAW_MS = 6_000;
const STOP_MS = 8_000;
/** How long one hangs: longer than a worker's patience with chunks that nobody fetches. */
const HANG_MS = 20_000;
const SAMPLE_MS = 500;
const TOLD_MS = 30_000;
const ENDLESS = '100000000';

const folder = mkdtempSync(join(tmpdir(), 'cropstream-soak-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const images = join(folder, 'images');
await drawSmall(join(images, 'class'), 400);
const spec = join(folder, 'spec.json');
writeFileSync(spec, JSON.stringify({ ...SPEC, dataset: { source: 'image-folder', url: images } }));

const redis = await startRedisServer({ args: REDIS });
const cache = join(folder, 'cache');
const log = { CROPSTREAM_LOG_LEVEL: 'warn' };
const coordinators = [
  await startCoordinator(redis.url, ['--spec', spec], { ...LIMITS, ...log }),
  await startCoordinator(redis.url, ['--spec', spec], { ...LIMITS, ...log }),
];
const workers = [
  await startWorker(redis.url, cache, { ...WORKER, ...log }),
  await startWorker(redis.url, cache, { ...WORKER, ...log }),
];
const random = randomOf(Number(flags.seed));
const about = (ms) => ms * (0.5 + random());

let trainers = 0;
/** A trainer at one of the coordinators by turns, from a step on. */
function train(consumer, more, fromStep = 0) {
  const number = trainers++;
  const { target } = coordinators[number % coordinators.length].ready;
  const place = ['--consumer', consumer, '--from-step', String(fromStep), '--steps', ENDLESS];
  return pull({ target }, join(folder, `${consumer}-${number}.txt`), [...place, '--takeover', ...more]);
}

const step = (ms) => ['--step-ms', String(ms)];
const living = {
  steady: train('steady', step(STEADY_MS)),
  slow: train('slow', step(SLOW_MS)),
  stopped: train('stopped', step(STEADY_MS)),
};

let running = true;
const counts = { stops: 0, kills: 0, hangs: 0, wrong: 0, batches: 0 };
/** Digests by step, of whoever drew a step first. */
const known = new Map();
function check(trainer) {
  for (const line of trainer.yielded()) {
    const [at] = line.split(' ');
    if (!known.has(at)) known.set(at, line);
    else if (known.get(at) !== line) counts.wrong++;
  }
  counts.batches += trainer.yielded().length;
}

async function stopAgainAndAgain() {
  while (running) {
    await sleep(about(DRAW_MS));
    living.stopped.signal('SIGSTOP');
    counts.stops++;
    await sleep(about(STOP_MS));
    living.stopped.signal('SIGCONT');
  }
}

async function killAgainAndAgain() {
  for (let from = 0; running; ) {
    const trainer = train('killed', step(STEADY_MS / 2), from);
    await comesTrue(() => trainer.yielded().length > 0, 30_000);
    await sleep(about(DRAW_MS));
    trainer.signal('SIGKILL');
    await trainer.gone;
    counts.kills++;
    check(trainer);
    from += trainer.yielded().length;
    await sleep(about(DRAW_MS) / 4);
  }
}

async function hangAgainAndAgain() {
  while (running) {
    const trainer = train('hung', [...step(STEADY_MS), '--prefetch', String(HUNG_PREFETCH)]);
    await comesTrue(() => trainer.yielded().length > 0, 30_000);
    trainer.signal('SIGSTOP');
    counts.hangs++;
    await sleep(about(HANG_MS));
    trainer.signal('SIGKILL');
    await trainer.gone;
    check(trainer);
  }
}

/** Every process that lives throughout. */
const processes = new Map([
  ['redis', { pid: redis.pid }],
  ...coordinators.map(({ process, ready }, i) => [
    `coordinator ${i}`,
    { pid: process.pid, http: ready.http },
  ]),
  ...workers.map(({ process, ready }, i) => [`worker ${i}`, { pid: process.pid, http: ready.http }]),
  ...Object.entries(living).map(([name, { pid }]) => [`trainer, ${name}`, { pid }]),
]);
/** Minutes and MiB by process. */
const curves = Object.fromEntries([...processes.keys()].map((name) => [name, []]));
/** What the engine says of itself, of the services: heap and what is held outside of it. */
const engines = new Map();

const interrupting = [stopAgainAndAgain(), killAgainAndAgain(), hangAgainAndAgain()];
const began = performance.now();
const elapsed = () => (performance.now() - began) / 60_000;
let told = 0;
while (elapsed() < minutes) {
  await sleep(SAMPLE_MS);
  for (const [name, { pid }] of processes) {
    const mebibytes = ownMebibytes(pid);
    if (mebibytes === null) throw new Error(`${name} ended`);
    curves[name].push({ minutes: elapsed(), mebibytes });
  }
  if (performance.now() - told < TOLD_MS) continue;
  told = performance.now();
  for (const [name, { http }] of processes) {
    if (http === undefined) continue;
    const named = await metrics(http);
    const mebibytes = (metric) => Math.round(named(metric) / 2 ** 20);
    engines.set(name, [
      ...(engines.get(name) ?? []),
      {
        minutes: Number(elapsed().toFixed(2)),
        heap: mebibytes('nodejs_heap_size_used_bytes'),
        heap_total: mebibytes('nodejs_heap_size_total_bytes'),
        external: mebibytes('nodejs_external_memory_bytes'),
        resident: mebibytes('process_resident_memory_bytes'),
      },
    ]);
  }
  const now = Object.entries(curves).map(([name, curve]) => `${name} ${curve.at(-1).mebibytes.toFixed(0)}`);
  console.error(`${elapsed().toFixed(1).padStart(5)} min  MiB: ${now.join(', ')}`);
}
running = false;
living.stopped.signal('SIGCONT');
await Promise.all(interrupting);
for (const trainer of Object.values(living)) {
  trainer.signal('SIGKILL');
  await trainer.gone;
  check(trainer);
}
for (const service of [...coordinators, ...workers]) service.kill('SIGKILL');
await redis.stop();

const verdicts = Object.entries(curves).map(([who, curve]) => ({ who, ...judgeFloors(curve, minutes) }));
const ok = counts.wrong === 0 && verdicts.every((verdict) => verdict.ok);
if (flags.out !== undefined) {
  const { drawCurves, MINUTES } = await import('./chart.mjs');
  const detail = `${counts.kills} trainers killed, ${counts.hangs} hung, one stopped ${counts.stops} times`;
  const services = Object.fromEntries(Object.entries(curves).filter(([name]) => !name.startsWith('trainer')));
  const drawing = Object.fromEntries(Object.entries(curves).filter(([name]) => name.startsWith('trainer')));
  const panels = [
    { name: 'services', detail, curves: services },
    {
      name: 'trainers that live throughout',
      detail: 'the stopped one is not scheduled half of the time',
      curves: drawing,
    },
  ];
  writeFileSync(flags.out, await drawCurves(panels, MINUTES));
}
if (flags.json)
  console.log(JSON.stringify({ ok, minutes, ...counts, verdicts, engines: Object.fromEntries(engines) }));
else {
  console.log(
    `${minutes} minutes, ${counts.batches} batches; ${counts.kills} kills, ${counts.stops} stops, ${counts.hangs} hangs of trainers`,
  );
  console.log('MiB, second half        min      max   growth of the floor   at most');
  for (const { who, min, max, growth, bound, ok: flat } of verdicts) {
    const [a, b, c, d] = [min, max, growth, bound].map((value) => value.toFixed(1).padStart(9));
    console.log(`${flat ? 'ok  ' : 'FAIL'} ${who.padEnd(16)}${a}${b}             ${c} ${d}`);
  }
  console.log(
    `${counts.wrong === 0 ? 'ok  ' : 'FAIL'} batches unlike another trainer's of the same step: ${counts.wrong}`,
  );
}
process.exit(ok ? 0 : 1);
