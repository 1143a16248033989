// Finds or makes the Python that tests need; parity tests compare with Pillow and numpy.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './apt.mjs';
import { cache } from './setup.mjs';

/** Versions the golden vectors were checked against. */
const PACKAGES = ['Pillow==12.3.0', 'numpy>=1.26,<3'];

function works(python) {
  const check = "import PIL, numpy; assert PIL.__version__ == '12.3.0'";
  return spawnSync(python, ['-c', check], { stdio: 'ignore' }).status === 0;
}

function run(command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}

/**
 * A virtual environment under .cache/ with those packages, made once.
 *
 * @returns {{ path: string } | { missing: string }}
 */
export function makeVenv(name, packages, ready) {
  const folder = join(cache, name);
  const path = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (ready(path)) return { path };
  const install = () =>
    run(path, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]);
  const make = () =>
    ['python3', 'python'].some((python) => run(python, ['-m', 'venv', '--clear', folder])) && install();
  console.error(`Preparing Python with ${packages.join(', ')} ...`);
  // One that was made before may lack no more than a package.
  if (existsSync(path) && install() && ready(path)) return { path };
  if ((make() || (aptInstall('python3-venv', ['python3', 'python3-venv']) && make())) && ready(path))
    return { path };
  return {
    missing: `install Python 3.10 or newer with venv and pip, and let it reach PyPI (${packages.join(', ')})`,
  };
}

/** @returns {{ path: string } | { missing: string }} */
export function findPython() {
  const given = process.env.CROPSTREAM_PYTHON;
  if (!given) return makeVenv('python', PACKAGES, works);
  if (works(given)) return { path: given };
  return { missing: `CROPSTREAM_PYTHON=${given} does not import ${PACKAGES.join(' and ')}` };
}
