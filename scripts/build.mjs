// Builds everything in order: generated code, WebAssembly, TypeScript, the dashboard's page. Each step is skipped by its
// own tool where nothing changed, but for the page, which takes less than a second.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);

function step(command, args, cwd = root) {
  const done = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

step(process.execPath, ['packages/protocol/scripts/generate.mjs']);
step(process.execPath, ['packages/kernels/scripts/build-wasm.mjs']);
step(process.execPath, ['packages/kernels/scripts/build-native.mjs']);
// Everything, or the projects named.
const named = process.argv.slice(2);
step(bin('tsc'), ['-b', ...named]);
if (named.length === 0 || named.includes('services/dashboard')) {
  step(bin('vite'), ['build', '--logLevel', 'warn'], join(root, 'services', 'dashboard'));
}
