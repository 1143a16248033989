// What a real fleet reads from its store for a byte of the dataset: npm run bench:reads -- [--rounds N] [--json]
// docs/datasets.md shows it. Counts, no clock. Needs a build, Redis (or what can start one), and Python for moto, the S3 server.
//
// One coordinator, one worker process or four, each with a cache of its own, one trainer that draws two epochs. The same images twice
// as LitData's chunks: plain, which are read by ranges, and compressed, which are read whole. A worker keeps about a third of the
// dataset: of plain chunks on disk, of compressed ones on disk and decompressed in memory.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { findDataPython } from '../../scripts/python-data.mjs';
import { findRedis } from '../../scripts/redis.mjs';
import {
  cropstream,
  endOnSignals,
  isReady,
  launch,
  metrics,
  startCoordinator,
  startWorker,
  until,
} from '../../tests/processes.mjs';
import { clientConfig, startMoto } from '../../tests/s3-servers.mjs';
import { noiseJpeg } from '../images/noise.mjs';
import { machine } from '../machine.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const SHARDS = 32;
const SHARD = 16;
const SAMPLES = SHARDS * SHARD;
const CHUNK = 2;
const BATCH = 16;
const KEPT = 1 / 3;
const PATIENCE_MS = 120_000;
/** Longer than workers take to tell what they read, several times. */
const SETTLED_MS = 2_000;

const FORMATS = ['plain', 'zstd'];
const ORDERS = {
  full: { shuffle: 'full' },
  window: { shuffle: 'window', shuffle_window: { block_size: SHARD, blocks: 8, run_size: CHUNK } },
};
const FLEETS = [1, 4];

const say = (line) => process.stderr.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'cropstream-reads-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
endOnSignals();

/** JPEGs of about 50 KB, no two alike. */
async function makeImages(root) {
  mkdirSync(root);
  for (let i = 0; i < SAMPLES; i++) {
    const jpeg = await noiseJpeg(i, { width: 270, height: 270 });
    writeFileSync(join(root, `${String(i).padStart(6, '0')}.jpg`), jpeg);
  }
}

/** Runs a command to its end: the object that it prints. */
async function outputOf(args) {
  const command = launch([cropstream, ...args, '--json']);
  let out = '';
  command.process.stdout.on('data', (text) => {
    out += text;
  });
  await once(command.process.stdout, 'end');
  if ((await command.ended) !== 0) throw new Error(`cropstream ${args.join(' ')}: ${out}${command.log()}`);
  return JSON.parse(out);
}

/** The dataset in the store, as a spec names it. Its bytes are those of its chunks. */
async function makeDataset(format, client) {
  const images = join(folder, 'images');
  const shards = join(folder, format);
  const compressed = format === 'zstd';
  await makeImages(images);
  const args = ['convert', '--data', images, '--to', 'litdata', '--out', shards];
  args.push(
    '--shard-samples',
    String(SHARD),
    '--threads',
    '1',
    ...(compressed ? ['--compression', 'zstd'] : []),
  );
  const { bytes, shards: count } = await outputOf(args);
  if (count !== SHARDS) throw new Error(`${count} shards, not ${SHARDS}`);
  for (const name of readdirSync(shards)) {
    const Body = readFileSync(join(shards, name));
    await client.send(new PutObjectCommand({ Bucket: 'bench', Key: `${format}/${name}`, Body }));
  }
  rmSync(images, { recursive: true });
  rmSync(shards, { recursive: true });
  return { source: 'litdata', url: `s3://bench/${format}`, bytes };
}

/** Two epochs of a new fleet, and what its workers read in each, in bytes a byte of the dataset. */
async function drawEpochs(redis, { bytes, ...dataset }, order, size, name) {
  const spec = join(folder, `${name}.json`);
  writeFileSync(
    spec,
    JSON.stringify({
      dataset,
      views: { num_crops: 1, size: 32 },
      global_batch_size: BATCH,
      chunk_size: CHUNK,
      // It has the shard's name, which differs with its compression.
      exclude_fields: ['path'],
      ...ORDERS[order],
    }),
  );
  const env = {
    CROPSTREAM_PREFIX: name,
    CROPSTREAM_DATA_CACHE_BYTES: String(Math.round(bytes * KEPT)),
    // Two thirds of it are for what was decompressed; JPEGs are no smaller compressed.
    CROPSTREAM_SHARD_MEMORY: String(Math.round(bytes * KEPT * 1.5)),
    // No chunk is made twice because the machine is slow.
    CROPSTREAM_HEDGE_AFTER: '24h',
  };
  const services = [];
  try {
    const coordinator = await startCoordinator(redis.url, ['--spec', spec], env);
    services.push(coordinator);
    const workers = [];
    for (let i = 0; i < size; i++) {
      workers.push(await startWorker(redis.url, join(folder, name, String(i)), env));
      services.push(workers[i]);
    }
    for (const { ready } of workers) await until('a worker is ready', () => isReady(ready.http), PATIENCE_MS);
    const sum = async (metric) => {
      const all = await Promise.all(workers.map(async ({ ready }) => (await metrics(ready.http))(metric)));
      return all.reduce((total, value) => total + value, 0);
    };
    const epochs = [];
    let before = 0;
    for (let epoch = 0; epoch < 2; epoch++) {
      const steps = SAMPLES / BATCH;
      const args = ['--target', coordinator.ready.target, '--from-step', String(epoch * steps)];
      const { digest } = await outputOf(['pull', ...args, '--steps', String(steps), '--timeout', '120']);
      const read = await settled(() => sum('cropstream_worker_storage_read_bytes_total'));
      epochs.push({ digest, reads: (read - before) / bytes });
      before = read;
    }
    return { epochs, made: (await sum('cropstream_worker_samples_made_total')) / (2 * SAMPLES) };
  } finally {
    for (const service of services.reverse()) {
      service.kill('SIGTERM');
      await service.ended;
    }
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** A count, once it has stopped growing. */
async function settled(count) {
  for (let last = await count(); ; ) {
    await pass(SETTLED_MS);
    const now = await count();
    if (now === last) return now;
    last = now;
  }
}

const python = findDataPython();
if ('missing' in python) throw new Error(python.missing);
const redis = await findRedis();
if ('missing' in redis) throw new Error(redis.missing);
const server = await startMoto(python.path);
Object.assign(process.env, server.env);
const rows = [];
try {
  const client = new S3Client(clientConfig(server.endpoint));
  await client.send(new CreateBucketCommand({ Bucket: 'bench' }));
  const datasets = {};
  for (const format of FORMATS) {
    say(`making ${SAMPLES} images in ${SHARDS} shards, ${format} ...`);
    datasets[format] = await makeDataset(format, client);
  }
  client.destroy();
  const digests = {};
  for (let round = 1; round <= rounds; round++) {
    for (const order of Object.keys(ORDERS)) {
      for (const format of FORMATS) {
        for (const workers of FLEETS) {
          const name = `reads-${process.pid}-${round}-${order}-${format}-${workers}`;
          const { epochs, made } = await drawEpochs(redis, datasets[format], order, workers, name);
          const digest = epochs.map((epoch) => epoch.digest).join(' ');
          digests[order] ??= digest;
          if (digests[order] !== digest)
            throw new Error(`${name}: the stream is ${digest}, not ${digests[order]}`);
          const [first, second] = epochs.map(({ reads }) => reads);
          rows.push({ round, order, format, workers, first, second, made });
          say(
            `round ${round}/${rounds}  ${order}, ${format}, ${workers}: ${first.toFixed(2)}, ${second.toFixed(2)}`,
          );
        }
      }
    }
  }
} finally {
  await server.kill();
  await redis.stop();
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
if (flags.json) {
  console.log(
    JSON.stringify({
      machine: machine(),
      samples: SAMPLES,
      shards: SHARDS,
      chunk_size: CHUNK,
      kept: KEPT,
      rows,
    }),
  );
} else {
  console.log('order    shards   workers   bytes read a byte: first epoch   second epoch   (medians)');
  for (const { order, format, workers } of rows.filter(({ round }) => round === 1)) {
    const of = (epoch) =>
      median(
        rows
          .filter((row) => row.order === order && row.format === format && row.workers === workers)
          .map((row) => row[epoch]),
      ).toFixed(2);
    console.log(
      `${order.padEnd(7)}  ${format.padEnd(6)}  ${String(workers).padStart(8)}   ${of('first').padStart(30)}   ${of('second').padStart(12)}`,
    );
  }
}
process.exit(0);
