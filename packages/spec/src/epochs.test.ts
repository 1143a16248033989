import { MAX_LENGTH, sampleOf } from '@cropstream/schedule';
import { describe, expect, it } from 'vitest';
import { orderOf, parseSpec, planOf, type RunSpecInput } from './index.js';

const folder = (url: string, weight?: number) => ({
  source: 'image-folder' as const,
  url,
  ...(weight && { weight }),
});
const mixOf = (mode: 'repeat' | 'choose', weights: readonly number[], more: object = {}) =>
  parseSpec({
    recipe: 'dino',
    global_batch_size: 10,
    dataset: { source: 'mix', mode, datasets: weights.map((weight, i) => folder(`/data/${i}`, weight)) },
    ...more,
  } satisfies RunSpecInput);
const plain = (more: object = {}) =>
  parseSpec({ recipe: 'dino', global_batch_size: 10, dataset: folder('/data'), ...more });

/** Draws from each dataset in one epoch. */
function countsOf(spec: ReturnType<typeof mixOf>, parts: readonly number[]): number[] {
  const samples = parts.reduce((sum, part) => sum + part, 0);
  const order = orderOf(spec, { samples, parts }, 0);
  expect(planOf(spec, { samples, parts }).samples).toBe(order.length);
  const counts = parts.map(() => 0);
  for (let position = 0; position < order.length; position++) {
    let id = sampleOf(order.at(position));
    const part = parts.findIndex((length) => {
      if (id < length) return true;
      id -= length;
      return false;
    });
    counts[part]! += 1;
  }
  return counts;
}

describe("a mix's epoch", () => {
  it('repeats each dataset by its weight', () => {
    expect(countsOf(mixOf('repeat', [1, 1]), [100, 50])).toEqual([100, 50]);
    expect(countsOf(mixOf('repeat', [0.5, 3]), [100, 50])).toEqual([50, 150]);
    expect(countsOf(mixOf('repeat', [0.001, 1]), [100, 50])).toEqual([1, 50]);
  });

  it('chooses datasets by their weights, as many draws as there are samples', () => {
    expect(countsOf(mixOf('choose', [1, 1]), [100, 50])).toEqual([75, 75]);
    expect(countsOf(mixOf('choose', [1, 9]), [100, 50])).toEqual([15, 135]);
  });

  it('shares epoch_size out, whichever the mode', () => {
    expect(countsOf(mixOf('repeat', [1, 1], { epoch_size: 30 }), [100, 50])).toEqual([20, 10]);
    expect(countsOf(mixOf('choose', [1, 1], { epoch_size: 30 }), [100, 50])).toEqual([15, 15]);
  });

  it('names the dataset that it would draw from too often', () => {
    const spec = mixOf('choose', [1, 1], { epoch_size: 1_000_000 });
    const tooOften = expect.objectContaining({
      code: 'SPEC_INVALID',
      details: expect.objectContaining({ field: 'dataset.datasets[1].weight', value: '500000' }),
    });
    expect(() => planOf(spec, { samples: 1_000_003, parts: [1_000_000, 3] })).toThrow(tooOften);
  });
});

describe('epoch_size', () => {
  it('draws fewer samples, and goes on where the last epoch ended', () => {
    const spec = plain({ epoch_size: 40 });
    expect(planOf(spec, { samples: 100 })).toMatchObject({ samples: 40, stepsPerEpoch: 4 });
    const drawn = [0, 1, 2, 3, 4].flatMap((epoch) => {
      const order = orderOf(spec, { samples: 100 }, epoch);
      return Array.from({ length: 40 }, (_, position) => order.at(position));
    });
    expect(new Set(drawn.slice(0, 100).map(sampleOf)).size).toBe(100);
    expect(new Set(drawn.slice(100).map(sampleOf)).size).toBe(100);
  });

  it('draws samples again, as other draws', () => {
    const order = orderOf(plain({ epoch_size: 250 }), { samples: 100 }, 0);
    const draws = Array.from({ length: 250 }, (_, position) => order.at(position));
    expect(new Set(draws).size).toBe(250);
    expect(Math.max(...draws.map((draw) => Math.floor(draw / MAX_LENGTH)))).toBe(2);
  });
});

describe('shuffle', () => {
  it.each([
    ['full', true],
    ['none', false],
    [true, true],
    [false, false],
  ] as const)('%j is %j', (shuffle, resolved) => {
    expect(plain({ shuffle })).toMatchObject({ shuffle: resolved });
    expect(plain({ shuffle })).not.toHaveProperty('shuffle_window');
  });

  it('has a window where it is one, which a resolved spec spells out', () => {
    const spec = plain({ shuffle: 'window' });
    expect(spec).toMatchObject({
      shuffle: 'window',
      shuffle_window: { block_size: 1024, blocks: 16, run_size: 64 },
    });
    expect(parseSpec(spec)).toEqual(spec);
    const order = orderOf(
      plain({ shuffle: 'window', shuffle_window: { block_size: 10, blocks: 2, run_size: 5 } }),
      { samples: 1000 },
      0,
    );
    const first = Array.from({ length: 20 }, (_, position) => Math.floor(order.at(position) / 10));
    expect(new Set(first).size).toBe(2);
  });

  it('refuses runs that do not fit blocks', () => {
    const shuffle_window = { block_size: 100, run_size: 64 };
    expect(() => plain({ shuffle: 'window', shuffle_window })).toThrow(/shuffle_window\.run_size.*divisor/);
  });

  it('refuses a window without it', () => {
    expect(() => plain({ shuffle_window: { block_size: 5 } })).toThrow(/shuffle_window/);
  });
});
