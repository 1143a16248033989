// The bare pipeline as a lane: node lane.mjs KIND FOLDER THREADS
//   whole   DINO's recipe    crops   its ten crops alone    decode   decoding alone, by the same pipeline
//   floor   libjpeg-turbo alone, called in a loop on bytes in memory
//   draft-N DINO's recipe with decode.draft: N
//   cifar10 the lesson's recipe on a folder of CIFAR-10's binary files
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { TurboJpegDecoder } from '@cropstream/augment';
import { ChunkMaker } from '@cropstream/chunks';
import { factsOf, indexDataset } from '@cropstream/datasets';
import { orderOf, parseSpec, planOf } from '@cropstream/spec';
import { answerLines } from '../lane.mjs';

const [kind, folder, threads = '1'] = process.argv.slice(2);
const CHUNK = 32;
/** As in a worker: one chunk that ends, one that fills the threads meanwhile. */
const IN_FLIGHT = 2;

const crop = (size, scale) => ({ size, scale, interpolation: 'bicubic', transforms: [] });
const RUNS = {
  whole: { recipe: 'dino' },
  crops: {
    views: {
      global_0: crop(224, [0.4, 1]),
      global_1: crop(224, [0.4, 1]),
      local: { count: 8, ...crop(96, [0.05, 0.4]) },
    },
  },
  decode: { views: [{ name: 'decode', transforms: [{ center_crop: { size: 1 } }] }] },
  cifar10: { recipe: 'lesson-cifar10' },
};

async function pipeline(run) {
  const source = kind === 'cifar10' ? { source: 'cifar10', split: 'test' } : { source: 'image-folder' };
  const dataset = { ...source, url: folder };
  const spec = parseSpec({ name: 'bench', seed: 1, dataset, ...run }, { samples: 1 });
  const { manifest } = await indexDataset(spec.dataset);
  const maker = await ChunkMaker.create({ spec, manifest, threads: Number(threads) });
  const facts = factsOf(manifest);
  const { samples } = planOf(spec, facts);
  let next = 0;

  const makeChunk = async (count) => {
    const first = next;
    next += count;
    const epoch = Math.floor(first / samples);
    const order = orderOf(spec, facts, epoch);
    const indices = Array.from({ length: count }, (_, i) => order.at((first + i) % samples));
    const { timings, release } = await maker.make({ epoch, indices });
    release();
    return timings;
  };

  await answerLines('cropstream', async (images) => {
    const left = Array.from({ length: Math.ceil(images / CHUNK) }, (_, i) =>
      Math.min(CHUNK, images - i * CHUNK),
    );
    const stages = { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 };
    const lane = async () => {
      for (let count = left.shift(); count !== undefined; count = left.shift()) {
        const timings = await makeChunk(count);
        for (const stage of Object.keys(stages)) stages[stage] += timings[stage];
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return { stages };
  });
  await maker.close();
}

/** No header is looked at, no handle made, no memory moved: nothing that decodes exactly can be faster. */
async function floor() {
  const koffi = createRequire(new URL('../../packages/augment/package.json', import.meta.url))('koffi');
  const library = koffi.load(TurboJpegDecoder.load().library);
  const handle = library.func('tj3Init', 'void *', ['int'])(1);
  const readHeader = library.func('tj3DecompressHeader', 'int', ['void *', 'void *', 'size_t']);
  const get = library.func('tj3Get', 'int', ['void *', 'int']);
  const decompress = library.func('tj3Decompress8', 'int', [
    ...['void *', 'void *', 'size_t'],
    ...['void *', 'int', 'int'],
  ]);
  const files = readdirSync(folder, { recursive: true }).filter((name) => /\.jpe?g$/i.test(name));
  let most = 0;
  const sources = files.map((name) => {
    const bytes = readFileSync(join(folder, name));
    readHeader(handle, bytes, bytes.length);
    most = Math.max(most, 4 * get(handle, 5) * get(handle, 6));
    return bytes;
  });
  const pixels = Buffer.alloc(most);
  const RGBX = 2;
  let next = 0;
  await answerLines('libjpeg-turbo', (images) => {
    for (let i = 0; i < images; i++) {
      const bytes = sources[next++ % sources.length];
      decompress(handle, bytes, bytes.length, pixels, 0, RGBX);
    }
  });
}

const side = /^draft-(\d+)$/.exec(kind)?.[1];
const run = side === undefined ? RUNS[kind] : { ...RUNS.whole, decode: { draft: Number(side) } };
await (kind === 'floor' ? floor() : pipeline(run));
