// Writes the tables of variables in docs/operations.md from the services' schemas. With --check it writes nothing and
// fails where the page is not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configTable } from '../packages/runtime/dist/index.js';
import { COORDINATOR_VARIABLES } from '../services/coordinator/dist/config.js';
import { WORKER_VARIABLES } from '../services/crop-worker/dist/config.js';

const page = join(import.meta.dirname, '..', 'docs', 'operations.md');
const current = readFileSync(page, 'utf8');
let text = current;
for (const [name, schema] of [
  ['coordinator', COORDINATOR_VARIABLES],
  ['worker', WORKER_VARIABLES],
]) {
  const [begin, end] = [`<!-- variables: ${name} -->\n`, '<!-- end -->'];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/operations.md has no place for the ${name}'s variables`);
  text = `${text.slice(0, from)}${begin}\n${configTable(schema)}\n${text.slice(to)}`;
}
if (process.argv.includes('--check')) {
  if (text !== current) {
    console.error('docs/operations.md is not current: run node scripts/docs-operations.mjs');
    process.exit(1);
  }
} else writeFileSync(page, text);
