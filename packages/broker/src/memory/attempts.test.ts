import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkName } from '../index.js';
import { Attempts } from './attempts.js';

describe('Attempts', () => {
  it('counts each chunk from one', () => {
    const attempts = new Attempts();
    expect(['0-0-4', '0-4-8', '0-0-4', '0-0-4'].map((chunk) => attempts.next(chunk))).toEqual([1, 1, 2, 3]);
  });

  it('begins at one for every chunk of a run drawn forwards, however long', () => {
    const attempts = new Attempts(8);
    for (let epoch = 0; epoch < 20; epoch++) {
      for (let first = 0; first < 40; first += 4) {
        expect(attempts.next(chunkName({ epoch, first, last: first + 4 }))).toBe(1);
      }
    }
    // Drawn again, by another job, long after: never a number that it had.
    expect(attempts.next('3-8-12')).toBe(2);
  });

  it('never goes back, in whatever order chunks are claimed', () => {
    const chunk = fc.record({ epoch: fc.nat(3), first: fc.nat(5) });
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 200 }),
        fc.integer({ min: 1, max: 6 }),
        (claims, remembered) => {
          const attempts = new Attempts(remembered);
          const last = new Map<string, number>();
          for (const { epoch, first } of claims) {
            const name = chunkName({ epoch, first, last: first + 1 });
            const attempt = attempts.next(name);
            expect(attempt).toBeGreaterThan(last.get(name) ?? 0);
            last.set(name, attempt);
          }
        },
      ),
    );
  });
});
