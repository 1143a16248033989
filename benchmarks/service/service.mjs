// What a whole service costs beside the bare pipeline: Redis, a coordinator and a crop-worker as processes, and a trainer
// that is not counted. Then one `serve`, its memory, and one trainer's images a second beside eight trainers'.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startRedisServer } from '../../scripts/redis.mjs';
import { metrics } from '../../tests/processes.mjs';
import { benchmarkImages } from '../images/images.mjs';
import { Lane } from '../lane.mjs';
import { cpuMsOf } from '../machine.mjs';
import { fromRoot, startLogged, startService } from '../processes.mjs';
import { measure, ratio } from '../statistics.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const CROPSTREAM = fromRoot('packages/cli/bin/cropstream.js');
const THREADS = 2;
const BATCH = 64;
const MIB = 2 ** 20;
const OUTBOX_MIB = 256;
/** DINO's, as uint8. A step of BATCH is one chunk. */
const SAMPLE_BYTES = 3 * (2 * 224 ** 2 + 8 * 96 ** 2);

const trainers = (target, clients) =>
  Lane.start(`${clients} trainers`, process.execPath, [here('draw.mjs'), target, String(clients)]);

/** Until processes have stopped working: the windows of their trainers are full again. */
async function idle(pids) {
  const total = () => pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
  for (let before = total(), still = 0; still < 2; ) {
    await sleep(150);
    const now = total();
    still = now - before <= 30 ? still + 1 : 0;
    before = now;
  }
  return total();
}

/** Resident memory of a worker, without the outbox's buffers: chunks that it holds, and those kept for the next. */
async function memoryAboveOutbox({ pid, http }) {
  const metric = await metrics(http);
  const held =
    (metric('cropstream_worker_outbox_chunks') * BATCH * SAMPLE_BYTES +
      metric('cropstream_worker_outbox_free_bytes')) /
    MIB;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024 - held;
}

async function fleet(folder, rounds, images) {
  const redis = await startRedisServer();
  const env = {
    REDIS_URL: redis.url,
    CROPSTREAM_HOST: '127.0.0.1',
    CROPSTREAM_PORT: '0',
    CROPSTREAM_HTTP_PORT: '0',
  };
  const run = ['--data', folder, '--recipe', 'dino', '--global-batch-size', String(BATCH)];
  const coordinator = await startLogged([CROPSTREAM, 'coordinator', ...run], env, 'coordinating');
  const worker = await startLogged(
    [CROPSTREAM, 'worker'],
    { ...env, CROPSTREAM_THREADS: String(THREADS), CROPSTREAM_OUTBOX_BYTES: `${OUTBOX_MIB}MiB` },
    'waiting to be admitted',
  );
  const bare = await Lane.start('bare pipeline', process.execPath, [
    fromRoot('benchmarks/pipeline/lane.mjs'),
    ...['whole', folder, String(THREADS)],
  ]);
  const trainer = await trainers(`127.0.0.1:${coordinator.ready.port}`, 1);
  const pids = { redis: redis.pid, coordinator: coordinator.pid, worker: worker.pid };
  const all = Object.values(pids);
  const taken = [];
  try {
    await bare.warmUp(images);
    await trainer.warmUp(images);
    for (let round = 0; round < rounds; round++) {
      await idle(all);
      const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMsOf(pid)]));
      const { drawn } = await trainer.run(images);
      await idle(all);
      const spent = Object.fromEntries(
        Object.entries(pids).map(([name, pid]) => [name, (cpuMsOf(pid) - before[name]) / drawn]),
      );
      const alone = await bare.run(images);
      const memory = await memoryAboveOutbox({
        pid: worker.pid,
        http: `http://127.0.0.1:${worker.ready.httpPort}`,
      });
      taken.push({ ...spent, bare: alone.cpu_ms / alone.images, memory });
    }
  } finally {
    await Promise.all([bare.stop(), trainer.stop()]);
    await Promise.all([worker.stop(), coordinator.stop()]);
    await redis.stop();
  }
  const of = (name) => taken.map((round) => round[name]);
  const service = taken.map(
    ({ redis: store, coordinator: scheduling, worker: making }) => store + scheduling + making,
  );
  return {
    'service, CPU': measure('ms/image', 'lower', service),
    'of it Redis': measure('ms/image', 'lower', of('redis')),
    'of it coordinator': measure('ms/image', 'lower', of('coordinator')),
    'of it crop-worker': measure('ms/image', 'lower', of('worker')),
    'bare pipeline, CPU': measure('ms/image', 'lower', of('bare')),
    'service / bare pipeline': ratio('lower', service, of('bare')),
    'crop-worker, memory above its outbox': measure('MiB', 'lower', of('memory')),
  };
}

/** One process that serves, drawn from by one trainer and by eight in turn. */
async function serve(folder, rounds, images) {
  const service = await startService([
    ...[CROPSTREAM, 'serve', '--data', folder, '--recipe', 'dino', '--global-batch-size', String(BATCH)],
    ...[
      '--threads',
      String(THREADS),
      '--outbox-bytes',
      String(OUTBOX_MIB * MIB),
      '--port',
      '0',
      '--http-port',
      '0',
    ],
    ...['--log-level', 'error', '--json'],
  ]);
  const taken = { one: [], eight: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [name, clients] of round % 2 === 0
        ? [
            ['one', 1],
            ['eight', 8],
          ]
        : [
            ['eight', 8],
            ['one', 1],
          ]) {
        // New ones each time: what the others' windows hold is not to be made meanwhile.
        const lane = await trainers(service.ready.target, clients);
        await lane.run(2 * BATCH);
        // Windows that are full when the clock starts would be images for nothing: they are drawn first.
        const { wall_ms, drawn } = await lane.run(images);
        taken[name].push((1000 * drawn) / wall_ms);
        await lane.stop();
        await sleep(500);
      }
    }
  } finally {
    await service.stop();
  }
  return {
    'serve, one trainer': measure('images/s', 'higher', taken.one),
    'serve, eight trainers': measure('images/s', 'higher', taken.eight),
    'eight trainers / one': ratio('higher', taken.eight, taken.one),
  };
}

/** @param {{ data?: string, rounds: number, images: number }} options */
export async function service({ data, rounds, images }) {
  const folder = data ?? (await benchmarkImages());
  return {
    measures: {
      ...(await fleet(folder, rounds, images)),
      ...(await serve(folder, Math.min(rounds, 4), 2 * images)),
    },
  };
}
