// The one version of npm packages, wheels, image and chart. `node scripts/version.mjs 0.2.0` sets it everywhere, and the
// lock file's with it; `--check` fails where two places differ.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Files with the version, and where it stands in them: the first group of each match. */
const PLACES = [
  ['package.json', /^ {2}"version": "(.*)"/m],
  ['packages/*/package.json', /^ {2}"version": "(.*)"/m],
  ['services/*/package.json', /^ {2}"version": "(.*)"/m],
  ['packages/*/pyproject.toml', /^version = "(.*)"/m],
  ['k8s/helm/cropstream/Chart.yaml', /^version: (.*)$/m],
  ['k8s/helm/cropstream/Chart.yaml', /^appVersion: (.*)$/m],
  ['Dockerfile', /^ +org\.opencontainers\.image\.version="(.*?)"/m],
];
const VERSION = /^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/;

const found = PLACES.flatMap(([glob, pattern]) =>
  filesOf(glob).map((path) => {
    const version = pattern.exec(readFileSync(join(root, path), 'utf8'))?.[1];
    if (version === undefined) throw new Error(`${path} has no version`);
    return { path, pattern, version };
  }),
);

const [wanted] = process.argv.slice(2);
if (wanted === '--check') check();
else if (VERSION.test(wanted ?? '')) set(wanted);
else {
  console.error('usage: node scripts/version.mjs VERSION | --check');
  process.exit(2);
}

function check() {
  const { version } = found[0];
  const others = [...found, ...locked()].filter((place) => place.version !== version);
  for (const { path, version: other } of others)
    console.error(`${path} is ${other}, package.json is ${version}`);
  if (others.length > 0) process.exit(1);
  console.log(version);
}

function set(version) {
  for (const { path, pattern } of found) {
    const text = readFileSync(join(root, path), 'utf8');
    const changed = text.replace(pattern, (match, old) => match.replace(old, version));
    writeFileSync(join(root, path), changed);
  }
  const lock = readLock();
  lock.version = version;
  for (const [, entry] of workspaces(lock)) entry.version = version;
  writeFileSync(join(root, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
}

function locked() {
  return workspaces(readLock()).map(([path, { version }]) => ({
    path: `package-lock.json (${path})`,
    version,
  }));
}

function readLock() {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
}

/** Entries of the lock file that are folders here. */
function workspaces({ packages }) {
  return Object.entries(packages).filter(([path]) => !path.includes('node_modules'));
}

/** `*` stands for one folder. */
function filesOf(glob) {
  const [folder, file] = glob.split('/*/');
  if (file === undefined) return [glob];
  const paths = readdirSync(join(root, folder)).map((name) => `${folder}/${name}/${file}`);
  return paths.filter((path) => existsSync(join(root, path)));
}
