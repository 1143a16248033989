import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { simulate } from './src/simulation.js';

const MINUTES = 60_000;

describe('the delivery protocol in simulation', () => {
  it(
    'delivers every batch once, in order, within bounds, whatever dies: 150 seeds',
    async () => {
      const violations: string[] = [];
      for (let seed = 1; seed <= 150; seed++) {
        const { violation } = await simulate(seed);
        if (violation !== null) violations.push(`seed ${seed}: ${violation}`);
      }
      expect(violations).toEqual([]);
    },
    4 * MINUTES,
  );

  it('replays a seed event by event', async () => {
    const replay = async () => {
      const log: string[] = [];
      await simulate(7, (line) => log.push(line));
      return log;
    };
    const log = await replay();
    expect(log.length).toBeGreaterThan(1_000);
    expect((await replay()).join('\n')).toBe(log.join('\n'));
  });

  /** A defect and a seed that shows it; `npm run simulate -- --mutate` tries any of them over any seeds. */
  it.each([
    ['ack-before-yield', 1],
    ['gone-workers-ignored', 1],
    ['checksum-ignored', 2],
  ])(
    'finds the defect %s',
    (mutation, seed) => {
      const script = fileURLToPath(new URL('./simulate.mjs', import.meta.url));
      const args = [script, '--mutate', mutation, '--seed', String(seed), '--json'];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ seed, violation: expect.any(String) });
    },
    2 * MINUTES,
  );
});
