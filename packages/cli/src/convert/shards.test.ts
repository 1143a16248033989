import { expect, test } from 'vitest';
import { cutShards } from './shards.js';

const cut = (sizes: readonly number[], bytes: number, samples = 1000) =>
  cutShards(sizes.length, (id) => sizes[id] as number, { bytes, samples });

test('shards are filled in order, up to their bytes or their samples', async () => {
  expect(await cut([4, 4, 4, 4, 4], 10)).toEqual([
    { first: 0, last: 2 },
    { first: 2, last: 4 },
    { first: 4, last: 5 },
  ]);
  expect(await cut([1, 1, 1, 1], 10, 3)).toEqual([
    { first: 0, last: 3 },
    { first: 3, last: 4 },
  ]);
});

test('a sample that is larger than a shard has one of its own', async () => {
  expect(await cut([1, 99, 1], 10)).toEqual([
    { first: 0, last: 1 },
    { first: 1, last: 2 },
    { first: 2, last: 3 },
  ]);
  expect(await cut([99], 10)).toEqual([{ first: 0, last: 1 }]);
});
