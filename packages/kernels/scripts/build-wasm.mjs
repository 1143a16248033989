// Compiles assembly/*.ts into dist/kernels.wasm. Skipped where the sources, this script and the compiler's version
// are those of the last build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');
const assembly = join(root, 'assembly');
const output = join(root, 'dist', 'kernels.wasm');
const stamp = join(root, 'build', 'kernels.sha256');
const require = createRequire(import.meta.url);
const compiler = dirname(require.resolve('assemblyscript/package.json'));

const hash = createHash('sha256');
hash
  .update(readFileSync(join(compiler, 'package.json')))
  .update(readFileSync(fileURLToPath(import.meta.url)));
for (const name of readdirSync(assembly).sort()) hash.update(name).update(readFileSync(join(assembly, name)));
const inputs = hash.digest('hex');

if (!existsSync(output) || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== inputs) {
  mkdirSync(dirname(output), { recursive: true });
  mkdirSync(dirname(stamp), { recursive: true });
  // 65,536 pages of 64 KiB: all that 32-bit addresses reach; an engine commits pages only as they are grown.
  const flags = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--maximumMemory', '65536'];
  const asc = join(compiler, 'bin', 'asc.js');
  const done = spawnSync(process.execPath, [asc, 'assembly/index.ts', '-o', output, ...flags], {
    cwd: root,
    stdio: 'inherit',
  });
  if (done.status !== 0) process.exit(done.status ?? 1);
  writeFileSync(stamp, inputs);
}
