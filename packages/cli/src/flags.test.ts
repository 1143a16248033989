import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { integer, integerList } from './flags.js';

test('integer takes what is in its range and names the range otherwise', () => {
  expect(integer(0)('42')).toBe(42);
  for (const wrong of ['-1', '1.5', 'x', '', '9007199254740992']) {
    expect(() => integer(0)(wrong)).toThrow(InvalidArgumentError);
  }
  expect(() => integer(1, 64)('65')).toThrow('at most 64');
});

test('integerList takes numbers and ranges', () => {
  expect(integerList('3,8,20-23')).toEqual([3, 8, 20, 21, 22, 23]);
  for (const wrong of ['', 'a', '3-1', '1-99999', '1,,2']) {
    expect(() => integerList(wrong)).toThrow(InvalidArgumentError);
  }
});
