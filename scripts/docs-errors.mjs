// Writes docs/errors.md from the table of packages/errors. With --check it writes nothing and fails where the page is
// not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_TABLE } from '../packages/errors/dist/index.js';

const page = join(import.meta.dirname, '..', 'docs', 'errors.md');

const entry = ([code, row]) => `## ${code}

${row.when}

| gRPC | HTTP | try again |
|---|---|---|
| ${row.grpc} | ${row.http} | ${row.retryable ? 'yes, unchanged' : 'no'} |

> ${row.message}. ${row.help}
`;

const text = `# Errors

Generated from packages/errors/src/table.ts by scripts/docs-errors.mjs.

Every failure that a user can meet has a code below. Codes are stable: programs may compare them; texts may change.
\`{name}\` stands for a value of the failure at hand, which the error also carries under that name. Over gRPC an error
ends the call with the status named, its text as the status' message, and all of it as JSON in the trailing metadata
\`cropstream-error-bin\` (see [protocol.md](protocol.md)). "Try again" says whether the same call can succeed later,
unchanged; the trainer clients do so by themselves.

${Object.entries(ERROR_TABLE).map(entry).join('\n')}`;

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/errors.md is not current: run node scripts/docs-errors.mjs');
  process.exit(1);
}
