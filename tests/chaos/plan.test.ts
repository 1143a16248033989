import { describe, expect, test } from 'vitest';
import { FLEET, planFaults } from './plan.mjs';

describe('the plan of faults', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(planFaults(1, 100)).toEqual(planFaults(1, 100));
    expect(planFaults(2, 100)).not.toEqual(planFaults(1, 100));
  });

  test('begins with the plan of fewer kills', () => {
    const few = planFaults(3, 20);
    expect(planFaults(3, 100).slice(0, few.length)).toEqual(few);
  });

  test('has the kills that were asked for, of every part, and strikes what there is', () => {
    const faults = planFaults(1, 100);
    const kills = faults.filter(({ kind }) => kind === 'kill');
    expect(kills).toHaveLength(100);
    for (const part of Object.keys(FLEET)) expect(kills.map((kill) => kill.part)).toContain(part);
    for (const { part, index } of faults) expect(index).toBeLessThan(FLEET[part]);
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(['kill', 'stop', 'cut', 'silence']));
  });
});
