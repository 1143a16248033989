import { join } from 'node:path';
import { runKeyOf } from '@cropstream/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet, Trainer } from '../fleet/fleet.js';
import { makeImages, serve, temporaryFolder } from '../integration/harness.js';
import { until } from '../processes.mjs';
import { type ReceivedSpan, Receiver } from './otlp.js';

const STEPS = 8;

let receiver: Receiver;
let fleet: Fleet;

/** Soon, so that a test need not wait for what is sent every five seconds otherwise. */
const tracing = ({ endpoint }: Receiver) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_BSP_SCHEDULE_DELAY: '100',
});

beforeAll(async () => {
  receiver = await Receiver.start();
  fleet = await Fleet.start({ workers: 1, coordinators: 1 }, tracing(receiver));
}, 60_000);

afterAll(async () => {
  await fleet?.stop();
  receiver?.close();
});

/** The traces of a consumer's batches that it has taken, complete. */
function batchesOf(consumer: string): (readonly ReceivedSpan[])[] {
  return [...receiver.traces.values()].filter((spans) =>
    spans.some(
      ({ name, attributes, failed }) =>
        name === 'batch' && attributes['cropstream.consumer'] === consumer && !failed,
    ),
  );
}

/** Every span but the first has its parent in the trace, and the first has none. */
function expectConnected(spans: readonly ReceivedSpan[]): void {
  const ids = new Set(spans.map(({ id }) => id));
  expect(spans.filter(({ parent }) => parent === '').map(({ name }) => name)).toEqual(['batch']);
  for (const { parent, name } of spans) if (parent !== '') expect(ids.has(parent), name).toBe(true);
}

const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name);

describe('the trace of a batch', () => {
  it('goes from its credit over making and serving its chunks to its ack, in one piece', async () => {
    await (await Trainer.open(fleet.target, 'traced', STEPS)).draw();
    const whole = (spans: readonly ReceivedSpan[]) =>
      named(spans, 'make').length === 2 && named(spans, 'serve').length === 2;
    await until('every batch is traced', () => batchesOf('traced').filter(whole).length === STEPS);
    const steps = new Set<unknown>();
    for (const spans of batchesOf('traced')) {
      expectConnected(spans);
      const [batch] = named(spans, 'batch') as [ReceivedSpan];
      expect(batch.service).toBe('cropstream-coordinator');
      expect(batch.attributes).toMatchObject({ 'cropstream.run': 'fleet', 'cropstream.rank': 0 });
      steps.add(batch.attributes['cropstream.step']);
      expect(named(spans, 'chunk')).toHaveLength(2);
      for (const make of named(spans, 'make')) {
        expect(make.service).toBe('cropstream-worker');
        const parts = spans.filter(({ parent }) => parent === make.id);
        expect(parts.map(({ name }) => name).sort()).toEqual(['compute', 'read']);
        for (const { startMs, endMs } of parts) {
          expect(startMs).toBeGreaterThanOrEqual(make.startMs - 1);
          expect(endMs).toBeLessThanOrEqual(make.endMs + 1);
        }
        const [compute] = named(parts, 'compute') as [ReceivedSpan];
        for (const stage of ['decode', 'resize', 'color', 'blur', 'pack']) {
          expect(compute.attributes[`cropstream.${stage}_seconds`]).toBeGreaterThanOrEqual(0);
        }
      }
      for (const { attributes, endMs } of named(spans, 'serve')) {
        expect(attributes['cropstream.bytes']).toBeGreaterThan(0);
        expect(endMs).toBeLessThanOrEqual(batch.endMs + 1_000);
      }
    }
    expect([...steps].sort()).toEqual(Array.from({ length: STEPS }, (_, step) => step));
  });

  it('stays in one piece where a worker is killed while it makes a chunk', async () => {
    const drawn = (await Trainer.open(fleet.target, 'bereaved', 4 * STEPS)).draw();
    const [victim] = fleet.workers;
    await until('the worker makes something', async () => {
      const [run] = await fleet.store.runs();
      return (await fleet.store.outstanding(runKeyOf(run!))).some(({ takenBy }) => takenBy !== null);
    });
    victim!.kill('SIGKILL');
    fleet.forget(victim!);
    await fleet.addWorker();
    await drawn;
    const dead = () =>
      batchesOf('bereaved').filter((spans) => spans.some(({ events }) => events.includes('worker died')));
    await until('the death is in a trace', () =>
      dead().some((spans) =>
        named(spans, 'chunk').every((chunk) => spans.some((s) => s.parent === chunk.id)),
      ),
    );
    for (const spans of dead()) {
      expectConnected(spans);
      const [bereaved] = spans.filter(({ events }) => events.includes('worker died')) as [ReceivedSpan];
      expect(bereaved.events.filter((event) => event === 'queued').length).toBeGreaterThanOrEqual(2);
      const [make] = named(spans, 'make').filter(({ parent }) => parent === bereaved.id);
      expect(make?.attributes['cropstream.attempt']).toBeGreaterThan(1);
    }
  });
});

describe('tracing', () => {
  it('sends what the sampler lets through, and nothing where it is off', async () => {
    const data = join(temporaryFolder().path, 'images');
    await makeImages(data, 32);
    // Of its own: the fleet of the tests before sends its last spans when it likes.
    const own = await Receiver.start();
    for (const env of [
      { OTEL_TRACES_SAMPLER: 'always_off', ...tracing(own) },
      { OTEL_SDK_DISABLED: 'true', ...tracing(own) },
    ]) {
      const served = await serve(['--data', data, '--recipe', 'supervised', '--global-batch-size', '8'], env);
      await (await Trainer.open(served.target, 'untraced', 4, { run: 'default' })).draw();
      await served.stop();
      expect(own.requests).toBe(0);
    }
    own.close();
  });
});
