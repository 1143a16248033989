// Where the bare pipeline's CPU time goes, by Linux's `perf`: node benchmarks/profile.mjs [--images 1500] [--data FOLDER]
// Samples of a warm pipeline on one thread, by what they belong to and then by function; milliseconds an image.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { benchmarkImages } from './images/images.mjs';
import { Lane } from './lane.mjs';
import { fromRoot } from './processes.mjs';

const { values: flags } = parseArgs({
  options: { images: { type: 'string', default: '1500' }, data: { type: 'string' } },
});
const images = Number(flags.images);
const data = flags.data === undefined ? await benchmarkImages() : resolve(flags.data);
/** Functions that take less than this share are left out. */
const LEAST = 0.005;

/** Names of what a sample's file and function belong to, the first that fits. */
const GROUPS = [
  ['decoding (libjpeg-turbo)', ({ file }) => /turbojpeg/.test(file)],
  ['resize', ({ symbol }) => /^(bandFromRgbx|horizontal|vertical|columns_to_rows)/.test(symbol)],
  ['colour', ({ symbol }) => /^(hue|saturation|grayscale|blendConstant|lumaSum)_/.test(symbol)],
  ['blur', ({ symbol }) => /^smallBlur_/.test(symbol)],
  ['checksum', ({ symbol }) => /crc32/.test(symbol)],
  ['other native kernels', ({ file }) => /kernels-native/.test(file)],
  ['WebAssembly', ({ symbol }) => /wasm/i.test(symbol)],
  [
    'JavaScript',
    ({ file, symbol }) =>
      /perf-\d+\.map|jitted|\[JIT\]/.test(file) || /^(JS|LazyCompile|Function|Builtin):/.test(symbol),
  ],
  ['system calls, page faults', ({ file }) => /\[kernel|vdso|unknown/.test(file)],
  ['engine: garbage, threads, calls', () => true],
];

const folder = mkdtempSync(join(tmpdir(), 'cropstream-profile-'));
const lane = await Lane.start('whole', process.execPath, [
  ...['--perf-basic-prof', `--logfile=${join(folder, 'v8.log')}`],
  ...[fromRoot('benchmarks/pipeline/lane.mjs'), 'whole', data, '1'],
]);
try {
  await lane.warmUp(images);
  const file = join(folder, 'perf.data');
  const perf = spawn(
    'perf',
    ['record', '-q', '-e', 'cpu-clock', '-F', '997', '-o', file, '-p', String(lane.pid)],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const { cpu_ms } = await lane.run(images);
  perf.kill('SIGINT');
  await once(perf, 'exit');
  const fields = [
    'report',
    '-i',
    file,
    '--stdio',
    '--sort=dso,symbol',
    '-t',
    '\t',
    '-q',
    '--percent-limit',
    '0',
  ];
  const { stdout } = spawnSync('perf', fields, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const samples = stdout.split('\n').flatMap((line) => {
    const [share, dso, symbol] = line.split('\t').map((field) => field.trim());
    if (symbol === undefined || !share.endsWith('%')) return [];
    return [{ share: Number.parseFloat(share) / 100, file: dso, symbol: symbol.replace(/^\[[.k]\]\s*/, '') }];
  });
  const perImage = cpu_ms / images;
  const groups = new Map(GROUPS.map(([name]) => [name, []]));
  for (const sample of samples) groups.get(GROUPS.find(([, fits]) => fits(sample))[0]).push(sample);
  console.log(`${perImage.toFixed(2)} ms of CPU an image`);
  for (const [name, members] of groups) {
    const total = members.reduce((sum, { share }) => sum + share, 0);
    console.log(`\n${(100 * total).toFixed(1).padStart(5)} %  ${(total * perImage).toFixed(3)} ms  ${name}`);
    for (const { share, symbol, file: from } of members.filter(({ share: part }) => part >= LEAST)) {
      console.log(`${(100 * share).toFixed(1).padStart(14)} %  ${symbol.slice(0, 60)}  (${from})`);
    }
  }
} finally {
  await lane.stop();
  rmSync(folder, { recursive: true, force: true });
}
