import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const python = process.env.CROPSTREAM_PYTHON;
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

describe.skipIf(python === undefined)('sampling, implemented a second time', () => {
  test('gives the published vectors: keys, numbers, exp and log, parameters', () => {
    const script = path('./sampling_reference.py');
    const printed = execFileSync(python ?? '', [script, path('../../docs/vectors')], { encoding: 'utf8' });
    expect(printed).toMatch(/^\d+ vectors agree/);
  });
});
