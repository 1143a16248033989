// The Python of the libraries that Cropstream is measured beside, found or made under .cache/.
import { spawnSync } from 'node:child_process';
import { makeVenv } from '../../scripts/python.mjs';

const PACKAGES = ['Pillow==12.3.0', 'numpy>=1.26,<3', 'opencv-python-headless>=4.10'];
/** On Linux PyPI's torch may bring gigabytes of CUDA: only where it is there already, or asked for. */
const TORCH = ['torch==2.13.0'];
/** No CPU build of torchvision is published; its transforms of PIL images need none of its operators. */
const TORCHVISION = ['--no-deps', 'torchvision==0.28.0'];

const runs = (python, script) => spawnSync(python, ['-c', script], { stdio: 'ignore' }).status === 0;
const hasTorch = (python) =>
  runs(python, 'import importlib.util as u; assert all(map(u.find_spec, ["torch", "torchvision"]))');

/**
 * @returns {{ python: string | null, libraries: string[], missing: string[] }} the peers that can be run, and what the
 *   others want
 */
export function findPeers() {
  const made = makeVenv('benchmarks-peers', PACKAGES, (python) => runs(python, 'import PIL, numpy, cv2'));
  if ('missing' in made) return { python: null, libraries: [], missing: [`Pillow, OpenCV: ${made.missing}`] };
  const python = made.path;
  const pip = (...args) =>
    spawnSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }).status === 0;
  const torch =
    hasTorch(python) ||
    (process.env.CROPSTREAM_TEST_TORCH === '1' && pip(...TORCH) && pip(...TORCHVISION) && hasTorch(python));
  return {
    python,
    libraries: [...(torch ? ['torchvision', 'torchvision-published'] : []), 'pillow', 'opencv'],
    missing: torch
      ? []
      : ["torchvision: set CROPSTREAM_TEST_TORCH=1 to install torch 2.13.0 (on Linux PyPI's brings CUDA)"],
  };
}
