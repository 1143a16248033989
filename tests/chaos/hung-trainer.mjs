// @ts-check
// `npm run hung-trainer`: what a run costs the others when its trainer hangs and leaves all that it asked for in the
// workers' outboxes. docs/chaos.md. Needs a build.
//   --turns N   measurements with it and without it, by turns (10)
//   --json      one JSON object on stdout instead of the report
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MultiCropLoader } from '@cropstream/client';
import { startRedisServer } from '../../scripts/redis.mjs';
import { endOnSignals, isReady, metric, startCoordinator, startWorker, until } from '../processes.mjs';
import { median } from '../soak/own-memory.mjs';
import { pull } from '../soak/processes.mjs';
import { drawRun, writeSpec } from './fleet.mjs';

/** Runs whose throughput is measured, each drawn by one rank as fast as it gets batches. */
const OTHERS = ['first', 'second'];
const HUNG = 'hung';
const WORKERS = 2;
const MIB = 1 << 20;
/**
 * A transform that sleeps decides how long a sample takes, so that the workers' time is what runs compete for, on a busy
 * machine too.
 */
const SLOW = { module: fileURLToPath(new URL('../fleet/slow.mjs', import.meta.url)), ms: 12 };
const OUTBOX_MIB = 32;
/**
 * What the hung trainer asks for ahead, in steps of 5.7 MiB: more than all workers can hold. It is entitled to its share
 * of the workers' time for as long as that is made; what is measured is what it costs when it has had it.
 */
const PREFETCH = 16;
const MEASURE_MS = 5_000;
/** After its trainer is gone, until the next measurement: workers drop what nobody wants. */
const GONE_MS = 2_500;
/** After its chunks fill the outboxes: twice a worker's patience with chunks that nobody fetches. */
const FULL_MS = 10_000;
/** The part of the outboxes that counts as full: the rest is less than the chunks under way. */
const FULL = 0.75;
/** What it may cost the others. */
const BOUND = 0.05;

const { values: options } = parseArgs({
  options: { turns: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } },
});
const turns = Number(options.turns);
if (!Number.isSafeInteger(turns) || turns < 1) {
  console.error(`--turns ${options.turns}: an integer of at least 1 is wanted`);
  process.exit(2);
}
endOnSignals();

const folder = mkdtempSync(join(tmpdir(), 'cropstream-hung-trainer-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const run = await drawRun(folder);
const global = { size: 176, transforms: [{ slow: { ms: SLOW.ms } }, { normalize: { dtype: 'float32' } }] };
const specs = [...OTHERS, HUNG].map((name, seed) => ({ ...run, name, seed, views: { global } }));
const redis = await startRedisServer({ args: ['--maxmemory-policy', 'noeviction'] });
const limits = { CROPSTREAM_MAX_CHUNK_BYTES: '4MiB', CROPSTREAM_TRANSFORMS: SLOW.module };
const outbox = { ...limits, CROPSTREAM_OUTBOX_BYTES: `${OUTBOX_MIB}MiB` };
const hungSpec = writeSpec(folder, /** @type {{ name: string }} */ (specs.at(-1)));
const coordinator = await startCoordinator(redis.url, ['--spec', hungSpec], limits);
const workers = await Promise.all(
  Array.from({ length: WORKERS }, () => startWorker(redis.url, join(folder, 'cache'), outbox)),
);
for (const { ready } of workers) await until('the worker is ready', () => isReady(ready.http));
const { target } = coordinator.ready;

let drawn = 0;
const stopping = new AbortController();
const drawing = specs.slice(0, OTHERS.length).map(async (spec) => {
  const loader = await MultiCropLoader.open({ target, spec, consumer: spec.name, endless: true });
  stopping.signal.addEventListener('abort', () => void loader.close());
  try {
    for await (const _ of loader) drawn++;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  }
});

/** Batches a second of the others. */
async function measure() {
  const [before, began] = [drawn, performance.now()];
  await sleep(MEASURE_MS);
  return (1000 * (drawn - before)) / (performance.now() - began);
}

/** The part of all outboxes that is taken: by what is made, under way or hung. */
async function taken() {
  const bytes = await Promise.all(
    workers.map(({ ready }) =>
      metric(ready.http, 'cropstream_worker_limit_used_bytes{limit="outbox_bytes"}'),
    ),
  );
  return bytes.reduce((sum, value) => sum + value) / (WORKERS * OUTBOX_MIB * MIB);
}

/** A trainer that has drawn a batch, and stops in the middle of its work. @param {number} turn */
async function hang(turn) {
  const flags = ['--run', HUNG, '--steps', '1000', '--prefetch', String(PREFETCH), '--step-ms', '60000'];
  const trainer = pull({ target }, join(folder, `hung-${turn}.txt`), [
    ...flags,
    '--from-step',
    String(turn * 1000),
  ]);
  await until('it has drawn a batch', () => trainer.yielded().length > 0);
  trainer.signal('SIGSTOP');
  await until('the outboxes are full', async () => (await taken()) >= FULL, 60_000);
  await sleep(FULL_MS);
  return trainer;
}

/** @type {{ without: number, beside: number, taken: number }[]} */
const measured = [];
await until('the others draw', () => drawn > 50);
for (let turn = 0; turn < turns; turn++) {
  await sleep(GONE_MS);
  const without = await measure();
  const trainer = await hang(turn);
  const full = await taken();
  const beside = await measure();
  trainer.signal('SIGKILL');
  await trainer.gone;
  measured.push({ without, beside, taken: full });
  console.error(
    `turn ${turn + 1}: ${without.toFixed(1)} batches/s without it, ${beside.toFixed(1)} beside it, outboxes ${(100 * full).toFixed(0)} % full`,
  );
}
stopping.abort();
await Promise.all(drawing);
for (const service of [coordinator, ...workers]) service.kill('SIGKILL');
await redis.stop();

const without = median(measured.map((turn) => turn.without));
const beside = median(measured.map((turn) => turn.beside));
const result = {
  ok: beside >= (1 - BOUND) * without,
  turns,
  batches_per_second: { without, beside },
  ratio: beside / without,
  outboxes_taken: median(measured.map((turn) => turn.taken)),
};
if (options.json) console.log(JSON.stringify(result));
else {
  console.log(`the others, without it     ${without.toFixed(1)} batches/s (median of ${turns})`);
  console.log(`the others, beside it      ${beside.toFixed(1)} batches/s`);
  console.log(`ratio                      ${result.ratio.toFixed(3)}, at least ${1 - BOUND} wanted`);
}
process.exit(result.ok ? 0 : 1);
