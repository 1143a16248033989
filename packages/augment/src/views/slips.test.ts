import { expect, test } from 'vitest';
import { viewNotices } from '../index.js';

const of = (views: unknown, recipe: unknown = 'dino') => viewNotices({ recipe, views });

test('a group or view that is nearly one of the recipe is told of', () => {
  expect(of({ locals: { count: 10, size: 96 } })).toEqual([
    'views.locals is a new group beside local of the recipe dino; did you mean local?',
  ]);
  expect(of({ globl_1: { size: 224 } })).toEqual([
    'views.globl_1 is a new view beside global_1 of the recipe dino; did you mean global_1?',
  ]);
});

test('known names, new numbers of known groups and other words are not', () => {
  const view = { size: 96 };
  expect(of({ local: view, local_3: view, global_2: view, extra: view, locals: null })).toEqual([]);
  expect(of({ locals: view }, null)).toEqual([]);
  expect(of([{ name: 'locals' }])).toEqual([]);
  expect(of(undefined)).toEqual([]);
});
