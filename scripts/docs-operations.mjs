// Writes the tables of variables in docs/operations.md from the services' schemas, and their names into the schema of the
// chart's values. With --check it writes nothing and fails where one of them is not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configTable } from '../packages/runtime/dist/index.js';
import { COORDINATOR_VARIABLES } from '../services/coordinator/dist/config.js';
import { WORKER_VARIABLES } from '../services/crop-worker/dist/config.js';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs', 'operations.md');
const chart = join(root, 'k8s', 'helm', 'cropstream', 'values.schema.json');
/** What the chart's own values set. */
const SET_BY_CHART =
  /^(REDIS_|OTEL_)|^CROPSTREAM_(PREFIX|HOST|PORT|HTTP_PORT|GRACE|LOG_LEVEL|CACHE|ROOTS|ADVERTISE|CELLS|THREADS|TOKEN|TOKENS|TLS)(_|$)(?!BYTES)/;

let text = readFileSync(page, 'utf8');
const values = JSON.parse(readFileSync(chart, 'utf8'));
for (const [name, schema] of [
  ['coordinator', COORDINATOR_VARIABLES],
  ['worker', WORKER_VARIABLES],
]) {
  const [begin, end] = [`<!-- variables: ${name} -->\n`, '<!-- end -->'];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/operations.md has no place for the ${name}'s variables`);
  text = `${text.slice(0, from)}${begin}\n${configTable(schema)}\n${text.slice(to)}`;
  values.definitions[`${name}Config`].propertyNames.enum = Object.keys(schema.shape)
    .filter((variable) => !SET_BY_CHART.test(variable))
    .sort();
}
for (const [path, wanted] of [
  [page, text],
  [chart, `${JSON.stringify(values, null, 2)}\n`],
]) {
  if (!process.argv.includes('--check')) writeFileSync(path, wanted);
  else if (readFileSync(path, 'utf8') !== wanted) {
    console.error(`${path} is not current: run node scripts/docs-operations.mjs`);
    process.exitCode = 1;
  }
}
