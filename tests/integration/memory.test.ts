import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const memory = join(dirname(fileURLToPath(import.meta.url)), '../soak/memory.mjs');

interface Report {
  readonly scenarios: readonly {
    readonly name: string;
    readonly checks: readonly {
      readonly what: string;
      readonly value: number;
      readonly bound: number;
      readonly ok: boolean;
    }[];
  }[];
}

/** Ten seconds a scenario on two free cores; many times that on a busy machine. */
const LIMIT_MS = 240_000;

/** The short form of `npm run memory`: docs/memory.md says what it does and how wide its bounds are. */
function measure(scenario: string): Promise<Report> {
  const args = ['--enable-source-maps', memory, '--quick', '--json', '--only', scenario];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: LIMIT_MS - 10_000 }, (error, stdout, stderr) => {
      // A check that fails is in the report; anything else has left none.
      if (stdout === '') reject(new Error(`${error?.message}\n${stderr}`));
      else resolve(JSON.parse(stdout));
    });
  });
}

describe.skipIf(process.platform !== 'linux')('memory stays flat', () => {
  test.each(['slow', 'absent', 'sizes', 'prefetch'])('%s', { timeout: LIMIT_MS }, async (scenario) => {
    const { scenarios } = await measure(scenario);
    expect(scenarios).toHaveLength(1);
    for (const { name, checks } of scenarios) {
      expect(checks.length).toBeGreaterThan(0);
      expect(
        checks.filter(({ ok }) => !ok),
        name,
      ).toEqual([]);
    }
  });
});
