import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget } from './budget.js';

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('Budget', () => {
  it('lets in first come first served, even where a later one would fit', async () => {
    const budget = new Budget(10);
    const entered: string[] = [];
    const take = (name: string, weight: number) =>
      budget.take(weight).then((leave) => {
        entered.push(name);
        return leave;
      });
    const first = await take('first', 8);
    const second = take('second', 5);
    void take('third', 1);
    await settled();
    expect(entered).toEqual(['first']);
    first();
    await second;
    await settled();
    expect(entered).toEqual(['first', 'second', 'third']);
  });

  it('lets a weight over the whole budget in alone', async () => {
    const budget = new Budget(10);
    const leave = await budget.take(4);
    let giant = false;
    const entering = budget.take(50).then((free) => {
      giant = true;
      return free;
    });
    await settled();
    expect(giant).toBe(false);
    leave();
    const free = await entering;
    expect(budget.used).toBe(50);
    free();
    free();
    expect(budget.used).toBe(0);
  });

  it('never holds more than its limit but for one alone, and lets everyone in in the end', async () => {
    const weights = fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(weights, async (wanted) => {
        const budget = new Budget(10);
        const inside: { weight: number; leave: () => void }[] = [];
        let entered = 0;
        for (const weight of wanted) {
          void budget.take(weight).then((leave) => {
            entered++;
            inside.push({ weight, leave });
          });
        }
        await settled();
        while (inside.length > 0) {
          const held = inside.reduce((sum, { weight }) => sum + weight, 0);
          expect(budget.used).toBe(held);
          expect(held <= 10 || inside.filter(({ weight }) => weight > 0).length === 1).toBe(true);
          inside.shift()!.leave();
          await settled();
        }
        expect(entered).toBe(wanted.length);
      }),
      { numRuns: 200 },
    );
  });
});
