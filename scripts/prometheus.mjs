// Finds Prometheus and promtool for the tests of metrics, rules and dashboard; Debian's root can have them from apt.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** @returns {{ env: Record<string, string> } | { missing: string }} */
export function findPrometheus() {
  const works = () =>
    ['prometheus', 'promtool'].every(
      (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0,
    );
  if (works() || (installDebianPrometheus() && works())) return { env: {} };
  return { missing: 'install prometheus 2.42 or newer, with promtool' };
}

/** Debian's service of that name is left as it is: only the programs are wanted. */
function installDebianPrometheus() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    return false;
  }
  console.error('Installing prometheus ...');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args) => spawnSync('apt-get', args, { stdio: 'ignore', env }).status === 0;
  return apt('update', '-qq') && apt('install', '-y', '-qq', '--no-install-recommends', 'prometheus');
}
