import { PARAM_COLUMNS as sampled } from '@cropstream/augment';
import { PARAM_COLUMNS as received } from '@cropstream/protocol';
import { expect, test } from 'vitest';

test('the columns that workers write are those that clients read', () => {
  expect([...received]).toEqual([...sampled]);
});
