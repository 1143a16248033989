// `npm run bench:manifest`: ten million samples, indexed and opened. A made-up listing stands for the disk, so that only
// the indexing itself is measured. Then a hundred times as many, in shards. docs/scaling.md says what it shows. Needs a build, and some GiB of memory.
//   --samples N   (10,000,000)   --json   one JSON object on stdout
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { machine } from '../machine.mjs';

const { values: flags } = parseArgs({
  options: {
    samples: { type: 'string', default: '10000000' },
    json: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'cropstream-manifest-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

async function step(...args) {
  const script = fileURLToPath(new URL('./steps.mjs', import.meta.url));
  return JSON.parse((await promisify(execFile)(process.execPath, [script, ...args])).stdout);
}

const file = join(folder, 'manifest');
console.error(`indexing ${flags.samples} samples ...`);
const index = await step('index', flags.samples, file);
console.error('opening ...');
const open = await step('open', file);
const shardFile = join(folder, 'shards');
const sharded = {
  made: await step('shards', String(100 * Number(flags.samples)), shardFile),
  open: await step('open', shardFile),
};
if (flags.json) console.log(JSON.stringify({ machine: machine(), index, open, sharded }));
else {
  const { cpu, cores, load, node } = machine();
  console.log(`${cores} cores of ${cpu}, load ${load}; Node ${node}`);
  const rows = [
    ['samples', String(index.samples)],
    ['manifest', `${index.manifest_mib.toFixed(0)} MiB`],
    ['indexed in', `${index.index_seconds.toFixed(1)} s, encoded in ${index.encode_seconds.toFixed(1)} s`],
    [
      'peak memory while indexing',
      `${index.peak_mib.toFixed(0)} MiB, of which ${index.start_mib.toFixed(0)} at the start`,
    ],
    [
      'digest checked in',
      `${open.check_ms.toFixed(0)} ms, no turn longer than ${open.longest_stall_ms.toFixed(0)} ms`,
    ],
    ['decoded, first chunk found in', `${open.decode_and_first_chunk_ms.toFixed(1)} ms`],
    ['peak memory beside the manifest', `${open.peak_mib_beside_the_manifest.toFixed(0)} MiB`],
  ];
  const inShards = [
    ['samples in shards of 10,000', String(sharded.made.samples)],
    ['manifest', `${sharded.made.manifest_mib.toFixed(1)} MiB`],
    [
      'made in',
      `${sharded.made.made_ms.toFixed(0)} ms, with ${sharded.made.mib_beside_the_start.toFixed(0)} MiB`,
    ],
    ['digest checked in', `${sharded.open.check_ms.toFixed(0)} ms`],
    ['decoded, first chunk found in', `${sharded.open.decode_and_first_chunk_ms.toFixed(1)} ms`],
    ['all of this with', `${sharded.open.mib_beside_the_start.toFixed(0)} MiB, the manifest among them`],
  ];
  for (const [name, value] of [...rows, ...inShards]) console.log(`  ${name.padEnd(34)}${value}`);
}
