// `npm test`: installs, builds, then runs every group of tests. A group whose need cannot be met is listed last as
// NOT RUN with what to install; with --strict that fails. Failed tests are told again at the end, where they are seen.
// Further arguments choose the test files whose path holds one of them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { findChromium } from './chromium.mjs';
import { findHelmTools } from './helm.mjs';
import { findPrometheus } from './prometheus.mjs';
import { findPython } from './python.mjs';
import { startPythonClient } from './python-client.mjs';
import { findDataPython, findLitdataPython } from './python-data.mjs';
import { findRedis, findRedisServer } from './redis.mjs';
import { build, cache, install, root } from './setup.mjs';

const strict = process.argv.includes('--strict');
const filters = process.argv.slice(2).filter((argument) => argument !== '--strict');

/** @typedef {{ missing: string } | { env: Record<string, string>, stop?: () => Promise<unknown> }} Need */
/** @type {{ name: string, paths: string[], need: () => Need | Promise<Need> }[]} */
const groups = [
  { name: 'packages and services', paths: ['packages/', 'services/'], need: () => ({ env: {} }) },
  {
    name: 'simulation: the fleet in virtual time under seeded faults',
    paths: ['tests/simulation/'],
    need: () => ({ env: {} }),
  },
  {
    name: 'integration: real processes over real gRPC',
    paths: ['tests/integration/', 'tests/chaos/'],
    need: () => ({ env: {} }),
  },
  {
    name: 'parity with Pillow',
    paths: ['tests/parity/'],
    need() {
      const python = findPython();
      return 'missing' in python ? python : { env: { CROPSTREAM_PYTHON: python.path } };
    },
  },
  {
    name: 'data of the real libraries (webdataset, datasets), and S3 servers',
    paths: ['tests/data/'],
    need: () => dataPython(findDataPython()),
  },
  {
    name: 'data of the real libraries that need torch (litdata, wids)',
    paths: ['tests/litdata/'],
    need: () => dataPython(findLitdataPython()),
  },
  {
    name: 'broker and store on Redis',
    paths: ['tests/redis/fleet/'],
    async need() {
      const redis = await findRedis();
      return 'missing' in redis ? redis : { env: { REDIS_URL: redis.url }, stop: redis.stop };
    },
  },
  {
    name: 'Redis killed, stopped and restarted, and as a cluster',
    paths: ['tests/redis/server/'],
    need() {
      const server = findRedisServer();
      return 'missing' in server ? server : { env: {} };
    },
  },
  {
    name: 'a fleet of processes: killed, refused, drained, upgraded',
    paths: ['tests/fleet/', 'tests/upgrade/'],
    need() {
      const server = findRedisServer();
      return 'missing' in server ? server : { env: {} };
    },
  },
  {
    name: 'what operators watch: metrics, alerts, dashboard, traces',
    paths: ['tests/observability/'],
    need() {
      const server = findRedisServer();
      return 'missing' in server ? server : findPrometheus();
    },
  },
  {
    name: 'security: hostile clients, real processes',
    paths: ['tests/security/'],
    need() {
      const server = findRedisServer();
      return 'missing' in server ? server : { env: {} };
    },
  },
  {
    name: 'the Helm chart, beside the services that it starts',
    paths: ['tests/helm/'],
    need() {
      const missing = [findRedisServer(), findPrometheus()].find((need) => 'missing' in need);
      return missing ?? findHelmTools();
    },
  },
  {
    name: 'the dashboard in Chromium',
    paths: ['tests/browser/'],
    need() {
      const chromium = findChromium();
      return 'missing' in chromium ? chromium : { env: { CROPSTREAM_CHROMIUM: chromium.path } };
    },
  },
];

install();
build();
mkdirSync(cache, { recursive: true });

// Beside the groups, from the first on: half of the time either waits, for pip and for processes.
const pythonClient = filters.length === 0 ? startPythonClient() : null;
const totals = { passed: 0, failed: 0, skipped: 0 };
const notRun = [];
const failures = [];
for (const { name, paths, need } of groups) {
  const files = filters.length === 0 ? paths : paths.flatMap(chosen);
  if (files.length === 0) continue;
  const met = await need();
  if ('missing' in met) {
    notRun.push(`NOT RUN  ${name}: ${met.missing}`);
    continue;
  }
  console.error(`\n=== ${name}`);
  const report = join(cache, 'vitest.json');
  rmSync(report, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = spawnSync(
    process.execPath,
    [
      vitest,
      'run',
      '--passWithNoTests',
      ...reporters,
      '--dir',
      '.',
      ...files.map((path) => join(root, path)),
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...met.env } },
  );
  await met.stop?.();
  const result = readReport(report);
  totals.passed += result.numPassedTests;
  totals.skipped += result.numPendingTests + result.numTodoTests;
  const failed = result.testResults.flatMap(failedTests);
  if (status !== 0 && failed.length === 0) failed.push('an error outside of a test: see above');
  totals.failed += failed.length;
  failures.push(...failed.map((line) => `FAILED  ${name}: ${line}`));
}

if (pythonClient) {
  console.error('\n=== the Python client');
  const client = await pythonClient;
  console.error(client.log);
  if ('missing' in client) notRun.push(`NOT RUN  the Python client: ${client.missing}`);
  else {
    for (const kind of Object.keys(totals)) totals[kind] += client[kind];
    if (client.failed > 0)
      failures.push(`FAILED  the Python client: pytest ended with ${client.ended}, see its summary above`);
    if (client.notRun) notRun.push(`NOT RUN  the Python client's PyTorch tests: ${client.notRun}`);
  }
}

console.log('');
for (const line of [...failures, ...notRun]) console.log(line);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 || totals.passed === 0 || (strict && notRun.length > 0) ? 1 : 0);

function dataPython(found) {
  return 'missing' in found ? found : { env: { CROPSTREAM_DATA_PYTHON: found.path } };
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { numPassedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  }
}

/** The test files under a group's path that the arguments choose. */
function chosen(path) {
  return readdirSync(join(root, path), { recursive: true })
    .map((file) => join(path, file))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => filters.some((filter) => file.includes(filter)));
}

/** A line for each failed test of a file, or one for a file that did not load. */
function failedTests({ name, status, message, assertionResults }) {
  const file = relative(root, name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (status === 'failed' && failed.length === 0) return [`${file}: ${firstLine(message)}`];
  return failed.map((test) => `${file} > ${test.fullName}: ${firstLine(test.failureMessages[0] ?? '')}`);
}

function firstLine(text) {
  return text.split('\n', 1)[0];
}
