import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkWorld,
  cutChunks,
  type EpochPlan,
  epochPlan,
  globalStep,
  locate,
  type Range,
  rankRange,
  stepRange,
} from './index.js';

const natural = (max: number) => fc.integer({ min: 1, max });
const plans = fc
  .record({ samples: natural(2000), globalBatchSize: natural(300), dropLast: fc.boolean() })
  .filter(({ samples, globalBatchSize, dropLast }) => !dropLast || samples >= globalBatchSize)
  .map(epochPlan);

const positions = ({ first, last }: Range) => Array.from({ length: last - first }, (_, i) => first + i);
const stepsOf = (plan: EpochPlan) =>
  Array.from({ length: plan.stepsPerEpoch }, (_, step) => stepRange(plan, step));

describe('epochPlan', () => {
  it('has every full step, and a tail unless it is dropped', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const { samples, globalBatchSize, dropLast } = plan;
        const all = stepsOf(plan).flatMap(positions);
        const drawn = dropLast ? samples - (samples % globalBatchSize) : samples;
        expect(all).toEqual(positions({ first: 0, last: drawn }));
        for (const { first, last } of stepsOf(plan).slice(0, -1)) expect(last - first).toBe(globalBatchSize);
      }),
    );
  });

  it('names both numbers when there is no full step to draw', () => {
    const short = { samples: 99, globalBatchSize: 100 };
    expect(() => epochPlan({ ...short, dropLast: true })).toThrow(/99 samples.*global batch of 100/);
    expect(epochPlan({ ...short, dropLast: false }).stepsPerEpoch).toBe(1);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53])('refuses a batch or a dataset of %d', (bad) => {
    const invalid = expect.objectContaining({ code: 'SPEC_INVALID' });
    const make = (o: object) => () => epochPlan({ samples: 10, globalBatchSize: 2, dropLast: true, ...o });
    expect(make({ samples: bad })).toThrow(invalid);
    expect(make({ globalBatchSize: bad })).toThrow(invalid);
  });
});

describe('locate', () => {
  it('is a resume cursor: the global step gives epoch and step back, and they give it', () => {
    fc.assert(
      fc.property(plans, fc.nat(1e9), (plan, step) => {
        const at = locate(plan, step);
        expect(at.step).toBeLessThan(plan.stepsPerEpoch);
        expect(at.epoch).toBe(Math.floor(step / plan.stepsPerEpoch));
        expect(globalStep(plan, at)).toBe(step);
      }),
    );
  });

  it('is exact up to the last safe integer', () => {
    const plan = epochPlan({ samples: 1_281_167, globalBatchSize: 3, dropLast: true });
    const at = locate(plan, Number.MAX_SAFE_INTEGER);
    expect(BigInt(at.epoch) * BigInt(plan.stepsPerEpoch) + BigInt(at.step)).toBe(
      BigInt(Number.MAX_SAFE_INTEGER),
    );
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])('refuses the step %d', (bad) => {
    const outside = expect.objectContaining({ code: 'STEP_OUT_OF_RANGE' });
    const plan = epochPlan({ samples: 10, globalBatchSize: 2, dropLast: true });
    expect(() => locate(plan, bad)).toThrow(outside);
    expect(() => stepRange(plan, bad)).toThrow(outside);
    expect(() => stepRange(plan, 5)).toThrow(outside);
    expect(() => globalStep(plan, { epoch: 0, step: 5 })).toThrow(outside);
    expect(() => globalStep(plan, { epoch: 2 ** 52, step: 0 })).toThrow(outside);
  });
});

describe('rankRange', () => {
  it('cuts a step into slices that joined in rank order are the step, uneven by one sample at most', () => {
    fc.assert(
      fc.property(plans, natural(70), fc.nat(), (plan, worldSize, anyStep) => {
        const step = anyStep % plan.stepsPerEpoch;
        const slices = Array.from({ length: worldSize }, (_, rank) => rankRange(plan, step, rank, worldSize));
        const whole = stepRange(plan, step);
        expect(slices.flatMap(positions)).toEqual(positions(whole));
        const lengths = slices.map(({ first, last }) => last - first);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
        expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
        if ((whole.last - whole.first) % worldSize === 0) expect(new Set(lengths).size).toBe(1);
      }),
    );
  });

  it('gives the same stream at any world size', () => {
    const plan = epochPlan({ samples: 1003, globalBatchSize: 64, dropLast: false });
    for (const worldSize of [1, 2, 4, 8, 64]) {
      const stream = stepsOf(plan).flatMap((_, step) =>
        Array.from({ length: worldSize }, (_, rank) =>
          positions(rankRange(plan, step, rank, worldSize)),
        ).flat(),
      );
      expect(stream).toEqual(positions({ first: 0, last: 1003 }));
    }
  });

  it('is exact at the largest datasets', () => {
    const plan = epochPlan({ samples: 2 ** 40, globalBatchSize: 2 ** 20 + 7, dropLast: true });
    const step = plan.stepsPerEpoch - 1;
    const whole = stepRange(plan, step);
    expect(whole.first).toBe(step * (2 ** 20 + 7));
    expect(rankRange(plan, step, 0, 1023).first).toBe(whole.first);
    expect(rankRange(plan, step, 1022, 1023).last).toBe(whole.last);
  });
});

describe('checkWorld', () => {
  const plan = (samples: number, globalBatchSize: number, dropLast = true) =>
    epochPlan({ samples, globalBatchSize, dropLast });
  const code = (code: string) => expect.objectContaining({ code });

  it('lets pass exactly the worlds whose slices are even, or that allow uneven ones', () => {
    fc.assert(
      fc.property(plans, natural(40), (plan, worldSize) => {
        const even = stepsOf(plan).every(({ first, last }) => (last - first) % worldSize === 0);
        const check = (allowUneven: boolean) => () => checkWorld(plan, { rank: 0, worldSize, allowUneven });
        expect(check(true)).not.toThrow();
        // A single short step is both the batch and the tail; the batch is what a user can change.
        const judged = even && plan.globalBatchSize % worldSize === 0;
        if (judged) expect(check(false)).not.toThrow();
        else expect(check(false)).toThrow();
      }),
    );
  });

  it('says whether the batch or the tail is uneven', () => {
    expect(() => checkWorld(plan(1000, 100), { rank: 0, worldSize: 3 })).toThrow(code('WORLD_INDIVISIBLE'));
    expect(() => checkWorld(plan(1001, 100, false), { rank: 0, worldSize: 4 })).toThrow(code('UNEVEN_TAIL'));
    expect(() => checkWorld(plan(1001, 100), { rank: 3, worldSize: 4 })).not.toThrow();
    expect(() => checkWorld(plan(1004, 100, false), { rank: 3, worldSize: 4 })).not.toThrow();
  });

  it.each([
    [-1, 4],
    [4, 4],
    [0.5, 4],
    [0, 0],
    [0, -2],
    [0, 1.5],
    [Number.NaN, 4],
  ])('refuses rank %d of %d', (rank, worldSize) => {
    const outside = code('RANK_OUT_OF_RANGE');
    expect(() => checkWorld(plan(100, 10), { rank, worldSize, allowUneven: true })).toThrow(outside);
    expect(() => rankRange(plan(100, 10), 0, rank, worldSize)).toThrow(outside);
  });
});

describe('cutChunks', () => {
  it('covers a range in order, with no chunk larger than asked and all but the last as large', () => {
    const range = fc
      .tuple(fc.nat(2 ** 40), fc.nat(3000))
      .map(([first, length]) => ({ first, last: first + length }));
    fc.assert(
      fc.property(range, natural(200), (range, size) => {
        const chunks = cutChunks(range, size);
        expect(chunks.flatMap(positions)).toEqual(positions(range));
        for (const { first, last } of chunks.slice(0, -1)) expect(last - first).toBe(size);
        for (const { first, last } of chunks.slice(-1)) expect(last - first).toBeLessThanOrEqual(size);
      }),
    );
  });

  it('makes the same chunks for worlds whose slices are whole chunks', () => {
    const plan = epochPlan({ samples: 4096, globalBatchSize: 1024, dropLast: true });
    const chunksOf = (worldSize: number) =>
      Array.from({ length: worldSize }, (_, rank) =>
        cutChunks(rankRange(plan, 2, rank, worldSize), 64),
      ).flat();
    for (const worldSize of [2, 4, 8, 16]) expect(chunksOf(worldSize)).toEqual(chunksOf(1));
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses chunks of %d', (bad) => {
    expect(() => cutChunks({ first: 0, last: 10 }, bad)).toThrow(RangeError);
  });
});
