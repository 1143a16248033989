import { MADE_RUNS, NOTHING_MADE } from '@cropstream/broker';
import { VirtualClock } from '@cropstream/runtime/testing';
import { expect, it } from 'vitest';
import { Tally } from './tally.js';

const chunk = { samples: 4, payloadBytes: 100, substitutions: [] };

it('has made nothing at first', () => {
  expect(new Tally(new VirtualClock()).record).toEqual(NOTHING_MADE);
});

it('counts the time in which anything is made once, and shares it out to the runs', async () => {
  const clock = new VirtualClock();
  const tally = new Tally(clock);
  await clock.advance(5_000);
  const endOne = tally.begin('one');
  await clock.advance(1_000);
  const endTwo = tally.begin('two');
  await clock.advance(2_000);
  tally.made('one', chunk);
  endOne();
  endOne();
  await clock.advance(1_000);
  tally.failed('two');
  endTwo();
  await clock.advance(5_000);
  expect(tally.record).toEqual({
    samples: 4,
    chunks: 1,
    bytes: 100,
    busySeconds: 4,
    runs: {
      one: { samples: 4, busySeconds: 2, substituted: 0, failures: 0 },
      two: { samples: 0, busySeconds: 2, substituted: 0, failures: 1 },
    },
  });
});

it('tells of a chunk that is still being made', async () => {
  const clock = new VirtualClock();
  const tally = new Tally(clock);
  tally.begin('one');
  await clock.advance(500);
  expect(tally.record.busySeconds).toBe(0.5);
  await clock.advance(500);
  expect(tally.record.busySeconds).toBe(1);
});

it('tells of the runs that it was at last, and of all in sum', () => {
  const tally = new Tally(new VirtualClock());
  const long = tally.begin('run 0');
  for (let i = 1; i < 100; i++) {
    const end = tally.begin(`run ${i}`);
    tally.made(`run ${i}`, chunk);
    end();
  }
  long();
  const { samples, chunks, runs } = tally.record;
  expect({ samples, chunks }).toEqual({ samples: 4 * 99, chunks: 99 });
  expect(Object.keys(runs)).toHaveLength(MADE_RUNS);
  expect(Object.keys(runs)).toContain('run 99');
  expect(Object.keys(runs)).toContain('run 0');
});
