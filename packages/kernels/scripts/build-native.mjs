// Compiles native/*.c into dist/kernels-native.so where there is a C compiler and the processor is one that it is for; else
// the kernels are WebAssembly alone, which lacks nothing but speed. Skipped where sources, script and compiler are those of
// the last build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = join(root, 'native');
const build = join(root, 'build', 'native');
const output = join(root, 'dist', 'kernels-native.so');
const stamp = join(build, 'sha256');
const compiler = process.env.CC || 'cc';

/** Floats are computed as they are written: not contracted, never reordered. */
const FLAGS = [
  ...['-std=c17', '-O3', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'],
  ...['-ffp-contract=off', '-fno-trapping-math', '-fno-math-errno'],
];
const LEVELS = {
  avx2: ['-march=x86-64-v3'],
  avx512: ['-march=x86-64-v4', '-mavx512vnni', '-mavx512vbmi', '-mprefer-vector-width=512'],
};

const compile = (args) => spawnSync(compiler, args, { cwd: sources, encoding: 'utf8' });
const version = compile(['--version']);
if (process.platform !== 'linux' || process.arch !== 'x64' || version.status !== 0) {
  rmSync(output, { force: true });
  process.exit(0);
}

const hash = createHash('sha256')
  .update(version.stdout)
  .update(readFileSync(fileURLToPath(import.meta.url)));
for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)));
const inputs = hash.digest('hex');
if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) process.exit(0);

mkdirSync(build, { recursive: true });
mkdirSync(dirname(output), { recursive: true });
const made = join(build, 'kernels-native.so');
const objects = Object.keys(LEVELS).map((level) => join(build, `${level}.o`));
const checksum = join(build, 'crc32.o');
const steps = [
  ...Object.entries(LEVELS).map(([level, flags], i) => [
    ...[...FLAGS, ...flags, `-DLEVEL=${level}`],
    ...['-c', 'kernels.c', '-o', objects[i]],
  ]),
  [...FLAGS, ...LEVELS.avx2, '-mpclmul', '-c', 'crc32.c', '-o', checksum],
  [...FLAGS, '-shared', 'cpu.c', checksum, ...objects, '-o', made],
];
for (const step of steps) {
  const done = compile(step);
  if (done.status === 0) continue;
  // An older compiler, or one without a C library: nothing is lost but speed.
  console.error(`No native kernels: ${compiler} ${step.join(' ')} failed\n${done.stderr}`);
  rmSync(output, { force: true });
  process.exit(0);
}
renameSync(made, output);
writeFileSync(stamp, inputs);
