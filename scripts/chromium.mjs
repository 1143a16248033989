// Finds the Chromium that the dashboard's tests drive: CROPSTREAM_CHROMIUM, one on the PATH, or Debian's, which Debian's
// root can have from apt.
import { spawnSync } from 'node:child_process';
import { aptInstall } from './apt.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** @returns {{ path: string } | { missing: string }} */
export function findChromium() {
  const given = process.env.CROPSTREAM_CHROMIUM;
  if (given) return { path: given };
  const path = onPath() ?? (aptInstall('chromium', ['chromium', 'fonts-dejavu-core']) ? onPath() : undefined);
  return path === undefined
    ? { missing: 'install Chromium or Chrome, or set CROPSTREAM_CHROMIUM to its program' }
    : { path };
}

function onPath() {
  for (const name of NAMES) {
    const { status, stdout } = spawnSync('which', [name], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}
