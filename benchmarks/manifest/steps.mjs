// One step of the manifest benchmark in a process of its own, so that its memory is its own. Prints one JSON object.
//   index SAMPLES FILE   indexes a made-up folder of classes and writes its manifest
//   open FILE            reads the manifest as a worker does, and opens it

import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Manifest, SOURCES } from '@cropstream/datasets';

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

async function open(file) {
  const { size } = statSync(file);
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  let at = 0;
  for await (const piece of createReadStream(file, { highWaterMark: MIB })) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  stalls.enable();
  const began = performance.now();
  const manifest = await Manifest.decode(bytes);
  const opened = performance.now();
  let pathBytes = 0;
  for (let i = 0; i < 64; i++) pathBytes += manifest.storagePathOf((i * 7919) % manifest.length).length;
  const read = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 20));
  stalls.disable();
  return {
    samples: manifest.length,
    open_ms: opened - began,
    first_chunk_ms: read - opened,
    longest_stall_ms: stalls.max / 1e6,
    peak_mib: peakMib() - size / MIB,
    path_bytes: pathBytes,
  };
}

const result = step === 'index' ? await index(Number(args[0]), args[1]) : await open(args[0]);
console.log(JSON.stringify(result));
