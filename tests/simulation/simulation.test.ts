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

  /** Those that every second seed shows; `npm run simulate -- --mutate all` tries them all over any seeds. */
  it.each(['ack-before-yield', 'state-counts-prefetched', 'claims-not-healed', 'wakes-trusted'])(
    'finds the defect %s',
    (mutation) => {
      const script = fileURLToPath(new URL('./simulate.mjs', import.meta.url));
      const args = [script, '--mutate', mutation, '--seeds', '40', '--first', '--json'];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(1);
      expect(JSON.parse(stdout).failed).toBeGreaterThan(0);
    },
    2 * MINUTES,
  );
});
