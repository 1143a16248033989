import { type AttachmentRecord, NOTHING_MADE, type WorkerRecord } from '@cropstream/broker';
import { exampleAttachment, exampleWorker } from '@cropstream/broker/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Workload } from './workload.js';

const OPEN = new Set(['d1', 'd2']);

const made = (samples: number, busySeconds: number) => ({
  samples,
  busySeconds,
  substituted: 0,
  failures: 0,
});

/** A worker that makes so many samples of a run a second, after so many seconds of work. */
const worker = (
  id: string,
  perSecond: number,
  seconds: number,
  more: Partial<WorkerRecord> = {},
  run = 'd1',
) =>
  exampleWorker({
    ...{ id, process: id, ...more },
    made: { ...NOTHING_MADE, runs: { [run]: made(perSecond * seconds, seconds) } },
  });

const attachment = (demand: number | null, runKey = 'd1'): AttachmentRecord => ({
  ...exampleAttachment({ demand, runKey }),
  fencing: 1,
});

const rate = fc.double({ min: 1, max: 10_000, noNaN: true });
const seconds = fc.double({ min: 0.1, max: 1e6, noNaN: true });

describe('Workload', () => {
  it('keeps a worker where nobody draws, or where nothing is known', () => {
    const workload = new Workload();
    expect(workload.desired([])).toBe(1);
    expect(workload.desired([attachment(1_000)])).toBe(1);
    workload.observe([worker('w', 100, 10)], OPEN);
    expect(workload.desired([])).toBe(1);
    expect(workload.desired([attachment(null)])).toBe(1);
  });

  it('is the demand of all trainers, divided by what one worker makes', () => {
    fc.assert(
      fc.property(rate, seconds, fc.array(rate, { minLength: 1, maxLength: 8 }), (made, busy, demands) => {
        const workload = new Workload();
        workload.observe([worker('a', made, busy), worker('b', made, 2 * busy)], OPEN);
        const sum = demands.reduce((all, demand) => all + demand, 0);
        const desired = workload.desired(demands.map((demand) => attachment(demand)));
        expect(desired / Math.max(1, sum / made)).toBeCloseTo(1, 6);
      }),
    );
  });

  it('never falls when a trainer asks for more', () => {
    fc.assert(
      fc.property(rate, rate, rate, (made, less, more) => {
        const workload = new Workload();
        workload.observe([worker('a', made, 10)], OPEN);
        const [low, high] = [Math.min(less, more), Math.max(less, more)];
        expect(workload.desired([attachment(low)])).toBeLessThanOrEqual(workload.desired([attachment(high)]));
      }),
    );
  });

  it('counts processes, whatever their cells', () => {
    const cells = (process: string) =>
      [1, 2, 3, 4].map((cell) => worker(`${process}-${cell}`, 25, 10, { process }));
    const workload = new Workload();
    workload.observe([...cells('a'), ...cells('b')], OPEN);
    expect(workload.desired([attachment(500)])).toBeCloseTo(5, 6);
  });

  it('reckons each run by what its own samples cost', () => {
    const workload = new Workload();
    workload.observe([worker('a', 100, 10), worker('b', 10, 10, {}, 'd2')], OPEN);
    expect(workload.desired([attachment(100, 'd1'), attachment(100, 'd2')])).toBeCloseTo(11, 6);
    expect(workload.desired([attachment(110, 'd3')])).toBeCloseTo(2, 6);
  });

  it('follows what samples cost by now, not what they cost once', () => {
    const workload = new Workload();
    workload.observe([worker('a', 1_000, 36_000)], OPEN);
    expect(workload.desired([attachment(2_000)])).toBeCloseTo(2, 6);
    let [samples, busySeconds] = [36_000_000, 36_000];
    for (let i = 0; i < 1_200; i++) {
      samples += 100;
      busySeconds += 1;
      const runs = { d1: made(samples, busySeconds) };
      const record = exampleWorker({ id: 'a', process: 'a', made: { ...NOTHING_MADE, runs } });
      workload.observe([record], OPEN);
    }
    expect(workload.desired([attachment(2_000)])).toBeCloseTo(20, 1);
  });

  it('learns nothing from a look that finds nothing new, and forgets runs that closed', () => {
    const workload = new Workload();
    for (let i = 0; i < 10_000; i++) workload.observe([worker('a', 100, 10)], OPEN);
    expect(workload.desired([attachment(500)])).toBeCloseTo(5, 6);
    workload.observe([worker('a', 100, 10)], new Set());
    expect(workload.desired([attachment(500)])).toBe(1);
  });

  it('takes a run that came back into a worker for new', () => {
    const workload = new Workload();
    workload.observe([worker('a', 100, 50)], OPEN);
    workload.observe([worker('a', 100, 1)], OPEN);
    expect(workload.desired([attachment(500)])).toBeCloseTo(5, 6);
  });
});
