// What metrics and traces cost: npm run bench:observability -- [--images 256] [--rounds 7] [--json FILE]
// docs/observability.md says what it shows. Needs a build.
//
// Four services over the same images, one neither scraped nor traced, one scraped each second, one that traces every batch,
// and one with both. A trainer draws from one after the other, a round each, so that what slows the machine falls on all
// alike; each is compared with the first round by round, in images a second and in CPU an image.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MultiCropLoader } from '@cropstream/client';
import { endOnSignals, start } from '../../tests/processes.mjs';
import { noiseJpeg } from '../images/noise.mjs';
import { cpuMsOf, machine } from '../machine.mjs';
import { measure, ratio } from '../statistics.mjs';

const { values: flags } = parseArgs({
  options: {
    images: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
  },
});
const images = Number(flags.images);
const rounds = Number(flags.rounds);
const BATCH = 32;
const FILES = 128;
const SCRAPE_MS = 1_000;
/** Of an image, as ImageNet's are. */
const SIZE = { width: 500, height: 375 };

endOnSignals();
const folder = mkdtempSync(join(tmpdir(), 'cropstream-observability-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** JPEGs of about ImageNet's size, no two alike. */
async function makeImages() {
  mkdirSync(join(folder, 'images', 'all'), { recursive: true });
  for (let i = 0; i < FILES; i++) {
    const jpeg = await noiseJpeg(i, SIZE);
    writeFileSync(join(folder, 'images', 'all', `${i}.jpg`), jpeg);
  }
}

/** Takes whatever traces are sent to it, as a collector does, and counts the bytes. */
async function startSink() {
  const sink = { bytes: 0, endpoint: '' };
  const server = createServer(async (request, response) => {
    for await (const part of request) sink.bytes += part.length;
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  sink.endpoint = `http://127.0.0.1:${server.address().port}`;
  return sink;
}

/** A service, and a trainer of it that stays. */
async function open(name, { scraped, env = {} }) {
  const args = ['--data', join(folder, 'images'), '--recipe', 'dino', '--global-batch-size', String(BATCH)];
  const ports = ['--port', '0', '--http-port', '0'];
  const served = await start(['serve', ...args, ...ports], env);
  const { target, http } = served.ready;
  const loader = await MultiCropLoader.open({
    ...{ target, consumer: name, rank: 0, worldSize: 1, endless: true, prefetch: { steps: 2 } },
  });
  return { name, served, http, scraped, loader, batches: loader[Symbol.asyncIterator](), scrapes: 0 };
}

/** A round: so many images drawn, the service scraped meanwhile where it is to be. */
async function draw(lane) {
  const { pid } = lane.served.process;
  const scrape = async () => {
    lane.scrapeBytes = (await (await fetch(`${lane.http}/metrics`)).text()).length;
    lane.scrapes++;
  };
  if (lane.scraped) await scrape();
  const timer = lane.scraped ? setInterval(scrape, SCRAPE_MS) : null;
  const cpu = cpuMsOf(pid);
  const began = performance.now();
  for (let drawn = 0; drawn < images; drawn += BATCH) await lane.batches.next();
  const seconds = (performance.now() - began) / 1000;
  clearInterval(timer);
  return { imagesPerSecond: images / seconds, cpuMsPerImage: (cpuMsOf(pid) - cpu) / images };
}

await makeImages();
const sink = await startSink();
const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.endpoint };
const lanes = [
  await open('neither', { scraped: false }),
  await open('scraped', { scraped: true }),
  await open('traced', { scraped: false, env: traced }),
  await open('both', { scraped: true, env: traced }),
];
const seen = new Map(lanes.map(({ name }) => [name, []]));
try {
  for (let round = -1; round < rounds; round++) {
    // Each begins a round in turn, so that none is always first.
    for (let i = 0; i < lanes.length; i++) {
      const lane = lanes[(i + round + 1) % lanes.length];
      const result = await draw(lane);
      // The first warms up.
      if (round >= 0) seen.get(lane.name).push(result);
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
} finally {
  for (const { loader, served } of lanes) {
    await loader.close();
    served.kill('SIGTERM');
  }
  await Promise.all(lanes.map(({ served }) => served.ended));
}

const of = (name, what) => seen.get(name).map((result) => result[what]);
const results = {
  machine: machine(),
  images_a_round: images,
  rounds,
  scrape_bytes: lanes[1].scrapeBytes,
  scrapes: lanes[1].scrapes,
  trace_bytes_an_image: sink.bytes / (2 * images * (rounds + 1)),
  lanes: Object.fromEntries(
    lanes.map(({ name }) => [
      name,
      {
        images_per_second: measure('images/s', 'higher', of(name, 'imagesPerSecond')),
        cpu_ms_per_image: measure('ms', 'lower', of(name, 'cpuMsPerImage')),
        throughput_ratio: ratio('higher', of(name, 'imagesPerSecond'), of('neither', 'imagesPerSecond')),
        cpu_ratio: ratio('lower', of(name, 'cpuMsPerImage'), of('neither', 'cpuMsPerImage')),
      },
    ]),
  ),
};
const show = ({ median, low, high }) => `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
console.log(`${rounds} rounds of ${images} images; medians, the lowest and the highest`);
for (const [name, lane] of Object.entries(results.lanes)) {
  const { images_per_second, throughput_ratio, cpu_ratio } = lane;
  console.log(
    `${name.padEnd(8)} ${images_per_second.median.toFixed(1).padStart(7)} images/s   ` +
      `throughput x ${show(throughput_ratio)}   CPU x ${show(cpu_ratio)}`,
  );
}
console.log(
  `a scrape is ${results.scrape_bytes} bytes; traces are ${results.trace_bytes_an_image.toFixed(0)} bytes an image`,
);
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(results, null, 2)}\n`);
