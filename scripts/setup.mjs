// Brings a bare clone to a built one with nothing but Node and npm: what `npm run demo` and `npm test` begin with.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** What the scripts keep between runs: stamps, a Python environment. */
export const cache = join(root, '.cache');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Cropstream needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

/** Runs a command to its end in the project's root, and ends this script where it fails. */
export function must(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (done.error) console.error(`${command}: ${done.error.message}`);
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** Installs the packages of the lock file, once for each content of it. */
export function install() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(cache, 'installed');
  const installed = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
  if (installed && existsSync(join(root, 'node_modules', '.package-lock.json'))) return;
  console.error('Installing packages (npm ci) ...');
  must(process.platform === 'win32' ? 'npm.cmd' : 'npm', [
    'ci',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, lock);
}

export function build() {
  console.error('Building ...');
  must(process.execPath, ['scripts/build.mjs']);
}
