import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runKeyOf } from '@cropstream/broker';
import { exampleWorker } from '@cropstream/broker/contract';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isReady, metric, until } from '../processes.mjs';
import { Fleet, Trainer, type Worker } from './fleet.js';

/** A trainer's longest wait for a batch after a worker was killed, as delivery.md promises it, and what a busy machine adds. */
const PROMISED_STALL_MS = 3_000;
const SLACK_MS = 7_000;

const STEPS = 40;

let fleet: Fleet;
let embedded: string;
let consumers = 0;

const trainer = (more: object = {}) => Trainer.open(fleet.target, `job-${consumers++}`, STEPS, more);

beforeAll(async () => {
  fleet = await Fleet.start();
  embedded = await fleet.embeddedDigest(STEPS);
}, 60_000);

afterAll(async () => {
  await fleet?.stop();
  if (fleet) rmSync(fleet.folder, { recursive: true, force: true });
});

beforeEach(() => fleet.settle());

// Successors of what a test has ended start while the next one runs.
afterEach(() => fleet.replenish());

async function kill(worker: Worker): Promise<number> {
  const at = performance.now();
  worker.kill('SIGKILL');
  await worker.ended;
  fleet.forget(worker);
  return at;
}

function told(what: string, ms: number): void {
  console.log(`${what}: the longest wait for a batch was ${(ms / 1000).toFixed(2)} s`);
  expect(ms).toBeLessThan(PROMISED_STALL_MS + SLACK_MS);
}

describe('a fleet', () => {
  test('makes the same stream as one process, and keeps the manifest on disk', async () => {
    const one = await trainer();
    expect(await one.draw()).toBe(embedded);
    expect(readdirSync(join(fleet.folder, 'cache', 'manifests'))).toHaveLength(1);
  });

  test('loses nothing with a worker that is killed while it makes a chunk', async () => {
    const one = await trainer();
    const drawn = one.draw();
    await one.reaches(5);
    let maker: Worker | undefined;
    await until('a worker makes a chunk', async () => {
      const [run] = await fleet.store.runs();
      const taken = (await fleet.store.outstanding(runKeyOf(run!))).find(({ takenBy }) => takenBy !== null);
      maker = taken && (await fleet.workerOf(taken.takenBy!));
      return maker !== undefined;
    });
    const at = await kill(maker!);
    expect(await drawn).toBe(embedded);
    told('a worker killed while making', one.longestWaitSince(at));
  });

  test('loses nothing with a worker that is killed while it holds chunks', async () => {
    const one = await trainer();
    const drawn = one.draw();
    await one.reaches(5);
    const holder = fleet.workers[0] as Worker;
    await until(
      'the worker holds a chunk',
      async () => (await metric(holder.ready.http, 'cropstream_worker_outbox_chunks')) > 0,
    );
    const at = await kill(holder);
    expect(await drawn).toBe(embedded);
    told('a worker killed while holding', one.longestWaitSince(at));
  });

  test('goes on at another coordinator where one is killed', async () => {
    await until('there are two', () => fleet.coordinators.length === 2);
    const one = await trainer();
    const drawn = one.draw();
    await one.reaches(5);
    const [first] = fleet.coordinators;
    const at = performance.now();
    first!.kill('SIGKILL');
    await first!.ended;
    fleet.forget(first!);
    expect(await drawn).toBe(embedded);
    told('a coordinator killed', one.longestWaitSince(at));
  });

  test('is not ready without Redis, and goes on when it is back', async () => {
    const one = await trainer();
    const drawn = one.draw();
    await one.reaches(5);
    const at = performance.now();
    await fleet.redis.kill();
    const services = [...fleet.coordinators, ...fleet.workers];
    await until('no service is ready', async () =>
      (await Promise.all(services.map(({ ready }) => isReady(ready.http)))).every((ready) => !ready),
    );
    await fleet.redis.start();
    const back = performance.now();
    expect(await drawn).toBe(embedded);
    console.log(`Redis was away for ${((back - at) / 1000).toFixed(2)} s`);
    told('Redis killed and started', one.longestWaitSince(back));
    for (const { process } of services) expect(process.exitCode).toBeNull();
  });

  test('loses nothing with a worker that ends in order', async () => {
    const deaths = async () => {
      const all = fleet.coordinators.map(({ ready }) =>
        metric(ready.http, 'cropstream_coordinator_worker_deaths_total'),
      );
      return (await Promise.all(all)).reduce((sum, value) => sum + value);
    };
    const before = await deaths();
    const one = await trainer();
    const drawn = one.draw();
    await one.reaches(5);
    const leaving = fleet.workers[0] as Worker;
    leaving.kill('SIGTERM');
    await until(
      'it says that it is not ready',
      async () => !(await isReady(leaving.ready.http).catch(() => false)),
    );
    expect(await leaving.ended).toBe(0);
    fleet.forget(leaving);
    expect(await drawn).toBe(embedded);
    expect(await deaths()).toBe(before);
  });

  test('makes elsewhere what a slow worker is late with', async () => {
    // Of a run that has just begun few chunks may be hedged.
    await (await trainer()).draw();
    // Each of its chunks takes a minute, and it lives.
    const slow = await fleet.addWorker({ SLOW_MS: '15000' });
    await fleet.settle();
    const before = await fleet.hedges();
    const one = await trainer();
    expect(await one.draw()).toBe(embedded);
    const after = await fleet.hedges();
    slow.kill('SIGKILL');
    await slow.ended;
    fleet.forget(slow);
    expect(after.won).toBeGreaterThan(before.won);
    console.log(`${after.started - before.started} chunks hedged, ${after.won - before.won} won`);
  });

  test('serves a run that asks for little beside one that asks for a thousand steps ahead', async () => {
    const { spec } = await fleet.otherRun('greedy');
    const greedy = await trainer({ spec, endStep: 2_000, prefetch: { steps: 1_000 } });
    const drawn = greedy.draw().catch(() => 'left');
    await greedy.reaches(3);
    const before = greedy.arrivals.length;
    const modest = await trainer({ prefetch: { steps: 2 } });
    expect(await modest.draw()).toBe(embedded);
    const meanwhile = greedy.arrivals.length - before;
    await greedy.leave();
    await drawn;
    console.log(`${meanwhile} steps of the greedy run were made beside ${STEPS} of the modest one`);
    // In line behind its two thousand chunks the modest run would have waited for all of them.
    expect(meanwhile).toBeLessThan(500);
    expect(meanwhile).toBeGreaterThan(0);
  });

  test('refuses a worker that cannot be dialled back, in both logs', async () => {
    // Nothing of a fleet on 127.0.0.1 listens there.
    const refused = await fleet.addWorker({ CROPSTREAM_ADVERTISE: '127.0.0.2' });
    fleet.forget(refused);
    await until('both say so', () =>
      [refused, ...fleet.coordinators].every((service) => service.log().includes('WORKER_REFUSED')),
    );
    expect(refused.log()).toMatch(/127\.0\.0\.2:\d+ is refused: it cannot be dialled back/);
    expect(await isReady(refused.ready.http)).toBe(false);
    refused.kill('SIGTERM');
    expect(await refused.ended).toBe(0);
  });

  test('refuses a worker of an unknown protocol version', async () => {
    const worker = exampleWorker({ id: 'from-the-future', protocolVersion: 99 });
    await fleet.store.beat(worker, 60_000);
    await until('it is told', async () => (await fleet.store.verdict(worker.id)) !== null);
    expect(await fleet.store.verdict(worker.id)).toEqual({
      admitted: false,
      reason: expect.stringContaining('99'),
    });
    await fleet.store.leave(worker.id);
  });

  test('tells a trainer that its dataset changed under the run', async () => {
    const { data, spec } = await fleet.otherRun('changed');
    const one = await trainer({ spec });
    rmSync(join(data, 'class-1'), { recursive: true });
    await expect(one.draw()).rejects.toMatchObject({ code: 'DATASET_CHANGED' });
  });
});
