import { expect, it } from 'vitest';
import { Outage } from './outage.js';

it('says once that something fails, and once that it is over', () => {
  const lines: [string, object, string][] = [];
  const log = {
    info: (fields: object, message: string) => lines.push(['info', fields, message]),
    warn: (fields: object, message: string) => lines.push(['warn', fields, message]),
  };
  const outage = new Outage(log, 'a beat was not heard', { worker: 'w1' });
  const error = new Error('away');
  outage.succeeded();
  for (let i = 0; i < 100; i++) outage.failed(error);
  outage.succeeded();
  outage.succeeded();
  outage.failed(error);
  expect(lines).toEqual([
    ['warn', { worker: 'w1', err: error }, 'a beat was not heard'],
    ['info', { worker: 'w1', failures: 100 }, 'over: a beat was not heard'],
    ['warn', { worker: 'w1', err: error }, 'a beat was not heard'],
  ]);
});
