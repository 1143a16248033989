// What data in an object store costs beside local files: npm run bench:storage -- [--images 1500] [--rounds 3]
//   [--outage SECONDS]  also kills the store in mid-epoch for so long, and compares the streams   [--json FILE]
// docs/storage.md says what it shows. Needs a build, and Python for SeaweedFS, the S3 server.
//
// 1. Reading alone: images and megabytes a second, 32 reads at once, from a local folder, from the store, from the store into
//    an empty cache, and from the cache.
// 2. The service: images a second that `pull` draws from `serve`, in the same four ways, and what was read from the store for
//    each byte of the dataset.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { indexDataset, newStorageCounts, openDataset, ReadCache } from '@cropstream/datasets';
import { findDataPython } from '../../scripts/python-data.mjs';
import { cropstream, launch, metrics, start, until } from '../../tests/processes.mjs';
import { clientConfig, startSeaweed } from '../../tests/s3-servers.mjs';
import { noiseJpeg } from '../images/noise.mjs';
import { machine } from '../machine.mjs';

const { values: flags } = parseArgs({
  options: {
    images: { type: 'string', default: '1500' },
    rounds: { type: 'string', default: '3' },
    outage: { type: 'string' },
    json: { type: 'string' },
  },
});
const images = Number(flags.images);
const rounds = Number(flags.rounds);
const READS = 32;
const BATCH = 50;
const URL = 's3://bench/train';
const CACHE_BYTES = 4 * 2 ** 30;

const say = (line) => process.stderr.write(`${line}\n`);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const python = findDataPython();
if ('missing' in python) throw new Error(python.missing);
const folder = mkdtempSync(join(tmpdir(), 'cropstream-storage-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** JPEGs of about 100 KB, no two alike. */
async function makeImages(root, client) {
  await client.send(new CreateBucketCommand({ Bucket: 'bench' }));
  for (let i = 0; i < images; i++) {
    const jpeg = await noiseJpeg(i, { width: 500, height: 375 });
    const name = `class-${i % 10}/${i}.jpg`;
    mkdirSync(join(root, `class-${i % 10}`), { recursive: true });
    writeFileSync(join(root, name), jpeg);
    await client.send(new PutObjectCommand({ Bucket: 'bench', Key: `train/${name}`, Body: jpeg }));
  }
}

/** Reads every sample once. */
async function readAll(url, cacheFolder) {
  const counts = newStorageCounts();
  const cache = cacheFolder && new ReadCache({ folder: cacheFolder, maxBytes: CACHE_BYTES, counts });
  const { manifest } = await indexDataset({ source: 'image-folder', labels: 'folders', url });
  const reader = openDataset(url, manifest, { storage: { counts, cache, maxRequests: READS } });
  let next = 0;
  let bytes = 0;
  // The connection and the credentials are not what is measured.
  await reader.head(0, 16);
  const began = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(
    Array.from({ length: READS }, async () => {
      while (next < manifest.length) {
        const { encoded } = await reader.read(next++);
        bytes += encoded.length;
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await reader.close();
  return {
    imagesPerSecond: manifest.length / seconds,
    mbPerSecond: bytes / 1e6 / seconds,
    cpuMsPerImage: (user + system) / 1e3 / manifest.length,
  };
}

/** An epoch of the service, drawn by one trainer. */
async function drawEpoch(url, env, during = async () => {}) {
  const args = ['--recipe', 'supervised', '--seed', '1', '--global-batch-size', String(BATCH)];
  const served = await start(['serve', '--data', url, ...args, '--port', '0', '--http-port', '0'], env);
  try {
    const steps = String(Math.floor(images / BATCH));
    const trainer = launch([cropstream, 'pull', '--target', served.ready.target, '--steps', steps, '--json']);
    let out = '';
    trainer.process.stdout.on('data', (text) => {
      out += text;
    });
    await Promise.all([once(trainer.process.stdout, 'end'), during(served.ready.http)]);
    if ((await trainer.ended) !== 0) throw new Error(trainer.log());
    // Counts are told with the next beat.
    await pass(1_000);
    const metric = await metrics(served.ready.http);
    const { digest, images_per_second: imagesPerSecond } = JSON.parse(out);
    return {
      digest,
      imagesPerSecond,
      readBytes: metric('cropstream_worker_storage_read_bytes_total'),
      hits: metric('cropstream_worker_cache_hits_total'),
      retries: metric('cropstream_worker_storage_retries_total'),
      failures: metric('cropstream_worker_chunk_failures_total'),
    };
  } finally {
    served.kill('SIGTERM');
    await served.ended;
  }
}

const local = join(folder, 'images');
const server = await startSeaweed(python.path, join(folder, 'seaweed'));
Object.assign(process.env, server.env);
say(`making ${images} images ...`);
await makeImages(local, new S3Client(clientConfig(server.endpoint)));

const ways = {
  'local files': (run) => run(local),
  'store, no cache': (run) => run(URL),
  'store into an empty cache': (run) => {
    rmSync(join(folder, 'cache'), { recursive: true, force: true });
    return run(URL, join(folder, 'cache'));
  },
  'store from the cache': (run) => run(URL, join(folder, 'cache')),
};

async function measure(run, shown) {
  const results = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [way, go] of Object.entries(ways)) {
      const result = await go(run);
      results[way].push(result);
      say(`round ${round}/${rounds}  ${way}: ${shown(result)}`);
    }
  }
  return results;
}

const reading = await measure(
  readAll,
  ({ imagesPerSecond, mbPerSecond, cpuMsPerImage }) =>
    `${imagesPerSecond.toFixed(0)} images/s, ${mbPerSecond.toFixed(0)} MB/s, ${cpuMsPerImage.toFixed(2)} CPU-ms an image`,
);
const service = await measure(
  (url, cache) =>
    drawEpoch(url, {
      CROPSTREAM_CACHE: cache ?? join(folder, 'unused'),
      CROPSTREAM_DATA_CACHE_BYTES: cache === undefined ? '0' : String(CACHE_BYTES),
    }),
  ({ imagesPerSecond, readBytes }) =>
    `${imagesPerSecond.toFixed(0)} images/s, ${(readBytes / 1e6).toFixed(1)} MB read`,
);
const digests = new Set(Object.values(service).flatMap((all) => all.map(({ digest }) => digest)));
if (digests.size !== 1) throw new Error(`the streams differ: ${[...digests].join(', ')}`);

let outage = null;
if (flags.outage !== undefined) {
  const seconds = Number(flags.outage);
  const drawn = await drawEpoch(URL, { CROPSTREAM_DATA_CACHE_BYTES: '0' }, async (http) => {
    const samples = async () => (await metrics(http))('cropstream_worker_samples_made_total');
    await until('a tenth of the epoch', async () => (await samples()) >= images / 10);
    await server.kill();
    say(`the store is killed after ${await samples()} of ${images} samples ...`);
    await pass(1000 * seconds);
    await server.start();
    say('... and is back');
  });
  outage = {
    seconds,
    retries: drawn.retries,
    chunk_failures: drawn.failures,
    same_stream: digests.has(drawn.digest),
  };
  say(
    `retries ${outage.retries}, failed chunks ${outage.chunk_failures}, same stream: ${outage.same_stream}`,
  );
}
await server.kill();

const { cpu, cores, load, node } = machine();
console.log(`${images} images; ${cores} cores of ${cpu}, load ${load}; Node ${node}`);
const datasetBytes = median(service['local files'].map(({ readBytes }) => readBytes));
for (const way of Object.keys(ways)) {
  const of = (results, name) => median(results[way].map((result) => result[name]));
  console.log(
    `  ${way.padEnd(27)}${of(reading, 'imagesPerSecond').toFixed(0).padStart(6)} images/s read (${of(reading, 'mbPerSecond').toFixed(0)} MB/s, ` +
      `${of(reading, 'cpuMsPerImage').toFixed(2)} CPU-ms an image), ${of(service, 'imagesPerSecond').toFixed(0)} images/s served, ` +
      `${(of(service, 'readBytes') / datasetBytes).toFixed(2)} bytes read a byte of the dataset`,
  );
}
if (outage)
  console.log(
    `  away for ${outage.seconds} s: ${outage.retries} retries, ${outage.chunk_failures} failed chunks, same stream: ${outage.same_stream}`,
  );
if (flags.json)
  writeFileSync(flags.json, JSON.stringify({ machine: machine(), images, reading, service, outage }));
process.exit(0);
