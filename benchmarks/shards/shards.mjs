// What is read for an image out of shards: npm run bench:shards -- [--json]
// docs/datasets.md and docs/decisions/0221-scanning-tars.md show it. Needs a build, and Python for datasets and pyarrow. Counts, the same
// on every machine but for what versions of the Python libraries write; only the scan's CPU time is this machine's.
//
// 1. The same 600 images of 107 kB in one shard of each kind: bytes read for a byte of image by indexing, for one image alone by a
//    reader that was just opened (the mean of 20 images), and for an epoch in random order within the default memory.
// 2. Scanning a tar for its index, in windows of several sizes: the part of it that is read, in how many reads, the CPU time that it takes from
//    the page cache, and how long it would take at a store that answers after 20 ms and gives 100 MB/s, a read after the other.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  datasetSchema,
  LocalStorage,
  newStorageCounts,
  openDataset,
  SOURCES,
  sealPart,
  shardFormat,
} from '@cropstream/datasets';
import { EpochOrder } from '@cropstream/schedule';
import { scanShard } from '../../packages/datasets/dist/sources/webdataset/scan-shard.js';
import { findDataPython } from '../../scripts/python-data.mjs';
import { machine } from '../machine.mjs';

const { values: flags } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const IMAGES = 600;
const IMAGE_BYTES = 107_000;
const ALONE = 20;
const SCANNED = [
  { samples: 2_000, imageBytes: IMAGE_BYTES },
  { samples: 20_000, imageBytes: 8_000 },
  { samples: 60, imageBytes: 3_000_000 },
];
const WINDOWS = [4, 64, 512, 2048, 8192].map((kib) => kib * 1024);
const ROUNDS = 3;
const STORE = { seconds: 0.02, bytesPerSecond: 100e6 };

const say = (line) => process.stderr.write(`${line}\n`);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const python = findDataPython();
if ('missing' in python) throw new Error(python.missing);
const folder = mkdtempSync(join(tmpdir(), 'cropstream-shards-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Nothing here decodes: bytes that no compression makes smaller, as a JPEG's are; lengths differ by a quarter either way. */
function imagesOf(count, bytes) {
  let x = 1;
  const random = () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  return Array.from({ length: count }, () => {
    const words = Math.round((bytes * (0.75 + random() / 2 ** 33)) / 4);
    const image = new Uint32Array(words);
    for (let i = 0; i < words; i++) image[i] = random();
    return new Uint8Array(image.buffer);
  });
}

const samplesOf = (images) =>
  images.map((encoded, i) => ({
    key: String(i).padStart(6, '0'),
    encoded,
    extension: 'jpg',
    label: i % 10,
    fields: { path: `${i}.jpg` },
  }));

/** A folder with one shard, and with what makes it a dataset where that is asked for. */
async function writeShard(name, format, images, compression, withIndex) {
  const options = { classes: [], fields: { path: 'string' }, compression };
  const writer = shardFormat(format);
  const bytes = await writer.encode(samplesOf(images), options);
  const shard = { name: writer.shardName(0, 1, options), samples: images.length, bytes: bytes.length };
  const url = join(folder, name);
  mkdirSync(url);
  writeFileSync(join(url, shard.name), bytes);
  if (withIndex)
    for (const file of writer.index([shard], options)) writeFileSync(join(url, file.name), file.bytes);
  return { url, shard };
}

/** Bytes read for a byte of image. */
async function readsOf(source, url, imageBytes) {
  const counts = newStorageCounts();
  const since = () => {
    const { readBytes } = counts;
    counts.readBytes = 0;
    return readBytes;
  };
  const kept = new Map();
  const config = datasetSchema.parse({ source, url });
  const { manifest } = await SOURCES[source].index(config, new LocalStorage(url, { counts }), {
    keep: async (bytes) => {
      const { digest } = sealPart(bytes);
      kept.set(digest, bytes);
      return digest;
    },
  });
  const indexing = since() / imageBytes;
  const open = () =>
    openDataset(url, manifest, {
      storage: { counts },
      parts: { get: async (digest) => kept.get(digest) ?? null },
    });
  const order = new EpochOrder({ length: manifest.length, seed: 1, epoch: 0, shuffle: true });
  let aloneBytes = 0;
  for (let i = 0; i < ALONE; i++) {
    const reader = open();
    aloneBytes += (await reader.read(order.at(i))).encoded.length;
    await reader.close();
  }
  const alone = since() / aloneBytes;
  const reader = open();
  for (let i = 0; i < manifest.length; i++) await reader.read(order.at(i));
  await reader.close();
  return { indexing, alone, epoch: since() / imageBytes };
}

async function readShards() {
  const images = imagesOf(IMAGES, IMAGE_BYTES);
  const imageBytes = images.reduce((sum, { length }) => sum + length, 0);
  const packed = join(folder, 'images');
  writeFileSync(packed, Buffer.concat(images));
  const script = join(import.meta.dirname, 'write_parquet.py');
  const lengths = JSON.stringify(images.map(({ length }) => length));
  const written = spawnSync(python.path, [script, packed, lengths, join(folder, 'parquet')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (written.status !== 0) throw new Error('the Parquet files could not be written');
  const tar = await writeShard('tar', 'webdataset', images, 'none', false);
  const plain = await writeShard('plain', 'litdata', images, 'none', true);
  const zstd = await writeShard('zstd', 'litdata', images, 'zstd', true);
  const parquet = (name) => join(folder, 'parquet', name);
  const rows = [];
  for (const [data, source, url] of [
    ['webdataset', 'webdataset', tar.url],
    ['litdata, plain', 'litdata', plain.url],
    ['litdata, zstd by chunk', 'litdata', zstd.url],
    ['parquet, datasets', 'parquet', parquet('datasets')],
    ['parquet, row groups of 100', 'parquet', parquet('groups')],
    ['parquet, one row group', 'parquet', parquet('one-group')],
  ]) {
    say(`reading ${data} ...`);
    rows.push({ data, ...(await readsOf(source, url, imageBytes)) });
  }
  return rows;
}

async function scan(storage, { name, bytes }, windowBytes) {
  let reads = 0;
  let readBytes = 0;
  const counting = {
    read(path, options) {
      reads += 1;
      readBytes += options.length;
      return storage.read(path, options);
    },
  };
  const cpu = process.cpuUsage();
  await scanShard(counting, name, bytes, { choice: { extensions: null }, windowBytes });
  const { user, system } = process.cpuUsage(cpu);
  return { reads, readBytes, cpuMs: (user + system) / 1e3 };
}

async function scanTars() {
  const rows = [];
  for (const { samples, imageBytes } of SCANNED) {
    say(`scanning ${samples} images of ${imageBytes / 1e3} kB ...`);
    const { url, shard } = await writeShard(
      `scan-${samples}`,
      'webdataset',
      imagesOf(samples, imageBytes),
      'none',
      false,
    );
    const storage = new LocalStorage(url);
    for (const windowBytes of WINDOWS) {
      const rounds = [];
      for (let round = 0; round < ROUNDS; round++) rounds.push(await scan(storage, shard, windowBytes));
      const [{ reads, readBytes }] = rounds;
      rows.push({
        samples,
        image_bytes: imageBytes,
        shard_bytes: shard.bytes,
        window_bytes: windowBytes,
        part_read: readBytes / shard.bytes,
        reads,
        cpu_ms: median(rounds.map(({ cpuMs }) => cpuMs)),
        store_s: reads * STORE.seconds + readBytes / STORE.bytesPerSecond,
      });
    }
    rmSync(url, { recursive: true });
  }
  return rows;
}

const reading = await readShards();
const scanning = await scanTars();
if (flags.json) console.log(JSON.stringify({ machine: machine(), images: IMAGES, reading, scanning }));
else {
  const { cpu, cores, load, node } = machine();
  console.log(`${cores} cores of ${cpu}, load ${load}; Node ${node}`);
  console.log(`bytes read for a byte of image, ${IMAGES} images of ${IMAGE_BYTES / 1e3} kB in one shard`);
  for (const { data, indexing, alone, epoch } of reading) {
    console.log(
      `  ${data.padEnd(28)} indexing ${indexing.toFixed(4)}, one image alone ${alone.toFixed(2)}, an epoch ${epoch.toFixed(3)}`,
    );
  }
  console.log('scanning a tar for its index');
  for (const row of scanning) {
    console.log(
      `  ${row.samples} images of ${row.image_bytes / 1e3} kB (${(row.shard_bytes / 1e6).toFixed(0)} MB), windows of ${row.window_bytes / 1024} KiB: ` +
        `${(100 * row.part_read).toFixed(0)} % in ${row.reads} reads, ${row.cpu_ms.toFixed(0)} CPU-ms, ${row.store_s.toFixed(1)} s from a store`,
    );
  }
}
