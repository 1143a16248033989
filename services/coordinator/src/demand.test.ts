import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand } from './demand.js';

/** Reports of a trainer that waits and works for so long a step, one after each step. */
function draw(demand: Demand, steps: number, waits: number, works: number): void {
  for (let step = 0; step <= steps; step++) {
    demand.report({ nextStep: step, waitedSeconds: step * waits, elapsedSeconds: step * (waits + works) });
  }
}

const seconds = fc.double({ min: 0.01, max: 100, noNaN: true });

describe('Demand', () => {
  it('is unknown before the first step, or what was known before', () => {
    expect(new Demand(64).rate(0)).toBeNull();
    const resumed = new Demand(64, 500);
    resumed.report({ nextStep: 7, waitedSeconds: 3, elapsedSeconds: 9 });
    expect(resumed.rate(0)).toBe(500);
  });

  it('is what a trainer takes where it never waits', () => {
    fc.assert(
      fc.property(seconds, fc.integer({ min: 1, max: 200 }), (works, steps) => {
        const demand = new Demand(64);
        draw(demand, steps, 0, works);
        expect(demand.rate(0)).toBeCloseTo(64 / works, 5);
      }),
    );
  });

  it('does not depend on how long a trainer has to wait', () => {
    fc.assert(
      fc.property(seconds, seconds, fc.integer({ min: 1, max: 200 }), (waits, works, steps) => {
        fc.pre(works > 0.03 * waits);
        const demand = new Demand(64);
        draw(demand, steps, waits, works);
        expect(demand.rate(0)! / (64 / works)).toBeCloseTo(1, 5);
      }),
    );
  });

  it('stays within reach of what is given where a trainer does nothing but wait', () => {
    const demand = new Demand(64);
    draw(demand, 50, 1, 0);
    expect(demand.rate(0)).toBeCloseTo(50 * 64, 5);
  });

  it('follows a trainer whose pace changes within half a minute', () => {
    const demand = new Demand(10);
    const pace = { nextStep: 0, waitedSeconds: 0, elapsedSeconds: 0 };
    const go = (steps: number, works: number) => {
      for (let i = 0; i < steps; i++) {
        pace.nextStep++;
        pace.elapsedSeconds += works;
        demand.report({ ...pace });
      }
    };
    go(10_000, 0.1);
    expect(demand.rate(0)).toBeCloseTo(100, 5);
    go(40, 1);
    expect(demand.rate(0)).toBeCloseTo(10, 5);
  });

  it('fades while a trainer does not take the batch that is there', () => {
    const demand = new Demand(10);
    draw(demand, 20, 0, 1);
    expect(demand.rate(0)).toBeCloseTo(10, 5);
    expect(demand.rate(20)).toBeCloseTo(5, 5);
    expect(demand.rate(3_600)).toBeLessThan(0.1);
  });

  it('begins anew where a trainer goes back', () => {
    const demand = new Demand(10);
    draw(demand, 20, 0, 1);
    demand.report({ nextStep: 5, waitedSeconds: 0, elapsedSeconds: 21 });
    expect(demand.rate(0)).toBeNull();
    demand.report({ nextStep: 6, waitedSeconds: 0, elapsedSeconds: 23 });
    expect(demand.rate(0)).toBeCloseTo(5, 5);
  });
});
