// What a window shuffle saves and costs: npm run bench:locality -- [--samples N] [--out FILE.png] [--json]
// docs/datasets.md shows it. Counts, no clock: the same on every machine. Needs a build.
//
// A dataset of a thousand classes, sorted by class, in shards of 1,024 samples that are read whole, as compressed ones must be. Each
// worker keeps the shards that it used last, a twentieth of the dataset. For each order: the bytes that are read from the store for a
// byte of the dataset in its first epoch, and how many classes a batch of 1,024 has beside those of a full shuffle.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { AFFINITIES, LOOK_AHEAD, MAX_PASSED } from '@cropstream/broker';
import { EpochOrder, mostReadBlock } from '@cropstream/schedule';
import { draw } from '../../tests/soak/chart.mjs';

const { values: flags } = parseArgs({
  options: {
    samples: { type: 'string', default: '1280000' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const samples = Number(flags.samples);
const CLASSES = 1000;
const SHARD = 1024;
const KEPT = Math.ceil(samples / SHARD / 20);
const CHUNK = 64;
const BATCH = 1024;
const BLOCK = 1024;
const WINDOWS = [1, 4, 16, 64, 256];
const RUNS = [64, 8, 1];
const ANY = 'any takes any job (full lines)';
const PREFERRING = 'each prefers some parts (dashes)';

const orders = [
  ...RUNS.flatMap((runSize) =>
    WINDOWS.map((blocks) => ({
      blocks: String(blocks),
      run: String(runSize),
      shuffle: { blockSize: BLOCK, blocks, runSize },
    })),
  ),
  { blocks: 'full', run: '', shuffle: true },
];

/** The shards that a worker used last. */
class Kept {
  #shards = new Map();
  reads = 0;

  use(shard) {
    if (this.#shards.delete(shard)) this.#shards.set(shard, true);
    else {
      this.reads += 1;
      this.#shards.set(shard, true);
      if (this.#shards.size > KEPT) this.#shards.delete(this.#shards.keys().next().value);
    }
  }
}

/** An epoch's chunks made by workers that take turns, each as a broker would hand them out. Shards read, over all shards. */
function readsOf(order, workers, prefers) {
  const caches = Array.from({ length: workers }, () => new Kept());
  const waiting = [];
  let next = 0;
  const fill = () => {
    for (; waiting.length < 4 * workers && next + CHUNK <= samples; next += CHUNK) {
      const draws = Array.from({ length: CHUNK }, (_, i) => order.at(next + i));
      waiting.push({
        draws,
        part: (Math.imul(mostReadBlock(draws, BLOCK), 0x9e3779b1) >>> 0) % AFFINITIES,
        passed: 0,
      });
    }
  };
  fill();
  for (let turn = 0; waiting.length > 0; turn = (turn + 1) % workers) {
    let at = 0;
    if (prefers && waiting[0].passed < MAX_PASSED) {
      const own = waiting.slice(0, LOOK_AHEAD).findIndex(({ part }) => part % workers === turn);
      if (own > 0) waiting[0].passed += 1;
      at = Math.max(0, own);
    }
    const [{ draws }] = waiting.splice(at, 1);
    for (const id of draws) caches[turn].use(Math.floor(id / SHARD));
    fill();
  }
  return caches.reduce((sum, { reads }) => sum + reads, 0) / Math.ceil(samples / SHARD);
}

function classesOf(order) {
  let sum = 0;
  let batches = 0;
  for (let first = 0; first + BATCH <= samples; first += 16 * BATCH, batches++) {
    const classes = new Set();
    for (let i = 0; i < BATCH; i++) classes.add(Math.floor((order.at(first + i) * CLASSES) / samples));
    sum += classes.size;
  }
  return sum / batches;
}

const bar = orders.length;
const rows = orders.map(({ blocks, run, shuffle }, done) => {
  const order = new EpochOrder({ seed: 1, epoch: 0, length: samples, shuffle });
  const row = {
    blocks,
    run,
    one_worker: readsOf(order, 1, false),
    four_workers: readsOf(order, 4, false),
    four_workers_preferring: readsOf(order, 4, true),
    classes: classesOf(order),
  };
  console.error(`${done + 1} of ${bar} orders`);
  return row;
});
const most = rows.at(-1).classes;
const result = rows.map((row) => ({ ...row, classes_of_full: row.classes / most }));
if (flags.json)
  console.log(JSON.stringify({ samples, shard: SHARD, kept: KEPT, block_size: BLOCK, rows: result }));
else {
  console.log('blocks  run   bytes read a byte: 1 worker   4 workers   4 that prefer   classes a batch');
  for (const row of result) {
    const reads = [row.one_worker, row.four_workers, row.four_workers_preferring].map((n) =>
      n.toFixed(2).padStart(11),
    );
    const classes = `${(100 * row.classes_of_full).toFixed(0)} %`;
    console.log(
      `${row.blocks.padStart(6)}  ${row.run.padStart(3)}   ${reads.join('  ')}   ${classes.padStart(5)}`,
    );
  }
}

if (flags.out !== undefined) {
  const x = {
    field: 'blocks',
    type: 'ordinal',
    scale: { domain: WINDOWS.map(String) },
    axis: { title: 'shuffle_window.blocks, of 1,024 samples each', labelAngle: 0 },
  };
  const curves = result
    .filter(({ blocks }) => blocks !== 'full')
    .flatMap((row) => [
      {
        ...row,
        runs: `runs of ${row.run}`,
        workers: ANY,
        reads: row.four_workers,
      },
      {
        ...row,
        runs: `runs of ${row.run}`,
        workers: PREFERRING,
        reads: row.four_workers_preferring,
      },
    ]);
  const color = {
    field: 'runs',
    type: 'nominal',
    scale: { domain: RUNS.map((run) => `runs of ${run}`), range: ['#0b6bcb', '#d1570c', '#2b8a3e'] },
    legend: { title: null, symbolType: 'stroke', orient: 'bottom' },
  };
  const full = result.at(-1).four_workers;
  const panel = (text, data, y, more = {}) => ({
    width: 600,
    height: 190,
    title: { text, anchor: 'start', fontSize: 13 },
    data: { values: data },
    mark: { type: 'line', point: true },
    encoding: { x, y, color, ...more },
  });
  const png = await draw({
    title: { text: 'What a window shuffle saves and costs', anchor: 'start', fontSize: 18, offset: 14 },
    vconcat: [
      panel(
        `Four workers, shards read whole: bytes read for a byte of the dataset (full shuffle: ${full.toFixed(0)})`,
        curves,
        {
          field: 'reads',
          type: 'quantitative',
          scale: { type: 'log' },
          axis: { title: 'bytes a byte (log)', values: [1, 2, 4, 10, 40, 200, 1000], format: ',d' },
        },
        {
          strokeDash: {
            field: 'workers',
            type: 'nominal',
            scale: {
              domain: [ANY, PREFERRING],
              range: [
                [1, 0],
                [4, 3],
              ],
            },
            legend: {
              title: null,
              symbolType: 'stroke',
              labelLimit: 320,
              orient: 'bottom',
            },
          },
        },
      ),
      panel("Classes in a batch of 1,024, data sorted by class; 100 % is a full shuffle's", curves, {
        field: 'classes_of_full',
        type: 'quantitative',
        axis: { title: 'classes', format: '%' },
      }),
    ],
    spacing: 26,
  });
  writeFileSync(flags.out, png);
}
