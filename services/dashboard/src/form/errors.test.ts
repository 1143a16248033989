import { expect, test } from 'vitest';
import { Problem } from '../api/problem.js';
import { errorAt, fieldErrors } from './errors.js';

test('each line of a problem stands at the field that it names', () => {
  const errors = fieldErrors(
    new Problem(
      400,
      'SPEC_INVALID',
      [
        'views.local.scale: [0.4, 0.1] is not allowed; expected a pair [low, high] with low <= high',
        'name is missing; expected letters, digits',
        'views.local.transforms[1].p: 2 is not allowed; expected a number <= 1',
      ].join('\n'),
      'Correct what is named.',
    ),
  );
  expect(errorAt(errors, 'views.local.scale')).toBe(
    '[0.4, 0.1] is not allowed; expected a pair [low, high] with low <= high',
  );
  expect(errorAt(errors, 'name')).toBe('expected letters, digits');
  expect(errorAt(errors, 'views.local.transforms')).toBe('[1].p: 2 is not allowed; expected a number <= 1');
  expect(errorAt(errors, 'views.loc')).toBeUndefined();
  expect(errorAt(errors, 'seed')).toBeUndefined();
});

test('an error that names no field stands at the one that it is about, with what to do', () => {
  const of = (code: string) => fieldErrors(new Problem(400, code, 'no dataset at /x', 'Check the path.'));
  expect(of('DATASET_NOT_FOUND').get('dataset.url')).toBe('no dataset at /x. Check the path.');
  expect(of('RUN_CONFLICT').get('name')).toBe('no dataset at /x. Check the path.');
  expect(of('STORE_UNAVAILABLE').get('')).toBe('no dataset at /x. Check the path.');
});

test('nothing wrong, nothing told', () => {
  expect(fieldErrors(null).size).toBe(0);
  expect(fieldErrors(new Error('odd')).get('')).toBe('odd');
});
