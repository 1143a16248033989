// One step of the manifest benchmark in a process of its own, so that its memory is its own. Prints one JSON object.
//   index SAMPLES FILE   indexes a made-up folder of classes and writes its manifest
//   shards SAMPLES FILE  the manifest of so many samples in shards of ten thousand each
//   open FILE            does with the manifest what a worker does that has it

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  checkManifest,
  decodeManifest,
  readFacts,
  ShardManifestBuilder,
  SOURCES,
} from '@cropstream/datasets';
import { EpochOrder } from '@cropstream/schedule';

const [step, ...args] = process.argv.slice(2);
const MIB = 2 ** 20;
const peakMib = () => process.resourceUsage().maxRSS / 1024;
const startMib = peakMib();

/** A dataset of class folders with a thousand images each, as ImageNet has them, listed from nowhere. */
function madeUpStorage(samples) {
  const folders = Array.from(
    { length: Math.ceil(samples / 1000) },
    (_, i) => `n${String(i).padStart(8, '0')}`,
  );
  return {
    url: '/made-up',
    async list(folder, { found }) {
      if (folder === '') return { folders, names: [], sizes: new Float64Array(0) };
      const first = 1000 * Number(folder.slice(1));
      const count = Math.min(1000, samples - first);
      const names = Array.from({ length: count }, (_, i) => `${folder}_${first + i}.JPEG`);
      const sizes = new Float64Array(count).fill(110_000);
      found?.(count, 110_000 * count);
      return { folders: [], names, sizes };
    },
    close: async () => {},
  };
}

async function index(samples, file) {
  const config = { source: 'image-folder', url: '/made-up', labels: 'folders' };
  const began = performance.now();
  const { manifest } = await SOURCES['image-folder'].index(config, madeUpStorage(samples), {});
  const indexed = performance.now();
  const bytes = manifest.encode();
  const encoded = performance.now();
  const out = createWriteStream(file);
  out.end(bytes);
  await once(out, 'finish');
  return {
    samples: manifest.length,
    manifest_mib: bytes.length / MIB,
    index_seconds: (indexed - began) / 1000,
    encode_seconds: (encoded - indexed) / 1000,
    start_mib: startMib,
    peak_mib: peakMib(),
  };
}

async function shards(samples, file) {
  const began = performance.now();
  const fields = [{ name: 'path', dtype: 'string' }];
  const builder = new ShardManifestBuilder({ source: 'webdataset', classes: [], fields });
  for (let at = 0, number = 0; at < samples; at += 10_000, number++) {
    const path = Buffer.from(`train/part-${number % 100}/shard-${String(number).padStart(6, '0')}.tar`);
    builder.add(
      path,
      1_100_000_000,
      Math.min(10_000, samples - at),
      createHash('sha256').update(path).digest('hex'),
    );
  }
  const bytes = builder.build().encode();
  writeFileSync(file, bytes);
  return {
    samples,
    manifest_mib: bytes.length / MIB,
    made_ms: performance.now() - began,
    mib_beside_the_start: peakMib() - startMib,
  };
}

/** What a worker does with a manifest that it has: checks it, opens it, finds the samples of a chunk in it. */
async function open(file) {
  const { size } = statSync(file);
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  let at = 0;
  for await (const piece of createReadStream(file, { highWaterMark: MIB })) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const digest = Buffer.from(bytes.subarray(size - 32)).toString('hex');
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  stalls.enable();
  const began = performance.now();
  await checkManifest(bytes, digest);
  const checked = performance.now();
  stalls.disable();
  const manifest = decodeManifest(bytes);
  const order = new EpochOrder({ seed: 1, epoch: 0, length: manifest.length, shuffle: true });
  const paths = Array.from({ length: 64 }, (_, i) => manifest.pathOf(order.at(i)));
  const opened = performance.now();
  return {
    samples: readFacts(bytes).samples,
    check_ms: checked - began,
    longest_stall_ms: stalls.max / 1e6,
    decode_and_first_chunk_ms: opened - checked,
    paths: paths.length,
    peak_mib_beside_the_manifest: peakMib() - size / MIB,
    mib_beside_the_start: peakMib() - startMib,
  };
}

const steps = {
  index: () => index(Number(args[0]), args[1]),
  shards: () => shards(Number(args[0]), args[1]),
  open: () => open(args[0]),
};
const result = await steps[step]();
console.log(JSON.stringify(result));
