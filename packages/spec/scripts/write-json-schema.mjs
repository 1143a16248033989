// Writes docs/spec.schema.json from the one schema: run it after a change there (a test compares them).
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { specJsonSchema } from '@cropstream/spec';

const path = new URL('../../../docs/spec.schema.json', import.meta.url);
await writeFile(path, JSON.stringify(specJsonSchema()));
execFileSync('npx', ['biome', 'check', '--write', path.pathname], { stdio: 'ignore' });
