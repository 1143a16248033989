import { expect, test } from 'vitest';
import { COMPOSE, FLEET, parseHash, RUN_TABS, runHash, WORKERS } from './routes.js';

test.each([
  ['', { page: 'fleet' }],
  [FLEET, { page: 'fleet' }],
  [WORKERS, { page: 'workers' }],
  [COMPOSE, { page: 'compose' }],
  ['#/runs/vits16', { page: 'run', owner: null, name: 'vits16', tab: 'progress' }],
  ['#/nowhere', { page: 'unknown' }],
  ['#/runs', { page: 'unknown' }],
  ['#/runs/a/nothing', { page: 'unknown' }],
  ['#/runs/a/crops/b', { page: 'unknown' }],
  ['#/runs/%', { page: 'unknown' }],
])('%s', (hash, page) => {
  expect(parseHash(hash)).toEqual(page);
});

test("a run's address holds its name, its owner and the tab", () => {
  for (const tab of RUN_TABS) {
    for (const owner of [null, 'team a/b']) {
      const hash = runHash('a.b-c_d', owner, tab);
      expect(parseHash(hash)).toEqual({ page: 'run', name: 'a.b-c_d', owner, tab });
    }
  }
});
