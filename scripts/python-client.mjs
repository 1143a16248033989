// Runs the Python client's tests in an environment of their own. As a program it prepares that, runs them, and leaves the
// result as JSON in the file that it is given.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeVenv } from './python.mjs';
import { cache, root } from './setup.mjs';

const folder = join(root, 'packages', 'client-python');
const PACKAGES = [
  'grpcio>=1.62',
  'protobuf>=4.25',
  'numpy>=1.26,<3',
  'pytest>=8',
  'pytest-xdist>=3.6',
  'pyyaml>=6',
  'matplotlib>=3.8',
  'Pillow==12.3.0',
];
/** On Linux PyPI's torch brings gigabytes of CUDA: only where it is there already, or asked for. */
const TORCH = ['torch==2.13.0', 'accelerate>=1.0', 'pytorch-lightning>=2.4', 'scipy>=1.11', 'torchdata>=0.9'];
const TORCHVISION = ['--no-deps', 'torchvision==0.28.0'];

const imports = (python, modules) =>
  spawnSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' }).status === 0;

/** Found, not imported: torchvision has no CPU build that imports as a whole (its pure Python transforms do). */
const FOUND = ['torch', 'torchvision', 'accelerate', 'pytorch_lightning', 'scipy', 'torchdata'];
const hasTorch = (python) =>
  imports(python, `importlib.util as u; assert all(map(u.find_spec, ${JSON.stringify(FOUND)}))`);

/** @returns {{ python: string, notRun?: string } | { missing: string }} */
export function prepare() {
  const made = makeVenv('python-client', PACKAGES, (python) =>
    imports(python, 'grpc, google.protobuf, pytest, xdist, yaml, matplotlib, PIL'),
  );
  if ('missing' in made) return made;
  const python = made.path;
  if (hasTorch(python)) return { python };
  const pip = (...args) =>
    spawnSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args], {
      stdio: 'inherit',
    }).status === 0;
  if (process.env.CROPSTREAM_TEST_TORCH === '1' && pip(...TORCH) && pip(...TORCHVISION)) return { python };
  return {
    python,
    notRun:
      "set CROPSTREAM_TEST_TORCH=1 to install torch 2.13.0 and what goes with it for them (on Linux PyPI's brings CUDA)",
  };
}

/**
 * Two files at a time: half of their time they wait for processes. A test that takes its interpreter with it is named, and the
 * others go on.
 */
const PARALLEL = ['--numprocesses=2', '--dist=loadfile'];

/** @returns {{ passed: number, failed: number, skipped: number, ended: string }} how many, and how pytest ended */
function run(python) {
  const report = join(cache, 'pytest.xml');
  rmSync(report, { force: true });
  const { status, signal } = spawnSync(python, ['-m', 'pytest', '-q', ...PARALLEL, `--junitxml=${report}`], {
    cwd: folder,
    stdio: 'inherit',
  });
  const suite = readReport(report);
  const count = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count('failures') + count('errors');
  const skipped = count('skipped');
  return {
    passed: count('tests') - failed - skipped,
    failed: status !== 0 && failed === 0 ? 1 : failed,
    skipped,
    ended: signal ?? `status ${status}`,
  };
}

/** The opening tag of the report's first suite, which has its totals. */
function readReport(path) {
  try {
    return /<testsuite [^>]*>/.exec(readFileSync(path, 'utf8'))?.[0] ?? '';
  } catch {
    return '';
  }
}

/**
 * Prepares and runs the tests in a process of its own, beside whatever its caller does meanwhile.
 *
 * @returns {Promise<{ log: string } & ({ missing: string } | (ReturnType<typeof run> & { notRun?: string }))>} with all that they said
 */
export function startPythonClient() {
  const [log, result] = ['log', 'json'].map((kind) => join(cache, `python-client.${kind}`));
  rmSync(result, { force: true });
  const output = openSync(log, 'w');
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), result], {
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return new Promise((resolve) => {
    child.once('close', (status, signal) => {
      const told = readFileSync(log, 'utf8');
      try {
        resolve({ log: told, ...JSON.parse(readFileSync(result, 'utf8')) });
      } catch {
        resolve({ log: told, passed: 0, failed: 1, skipped: 0, ended: signal ?? `status ${status}` });
      }
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = prepare();
  const result = 'missing' in made ? made : { ...run(made.python), notRun: made.notRun };
  writeFileSync(process.argv[2], JSON.stringify(result));
}
