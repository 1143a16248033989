import { once } from 'node:events';
import { parentPort } from 'node:worker_threads';
import { connectBroker, connectStore } from '@cropstream/broker';
import { failure, toFailure } from '@cropstream/errors';
import { openTracing, systemClock, systemRandomness, type Tracing } from '@cropstream/runtime';
import { openPeer } from '@cropstream/runtime/threads';
import type { Log } from '../worker/events.js';
import { type CropWorkerService, startCropWorker } from '../worker/start.js';
import { type CellCalls, type CellData, type MainCalls, movable } from './cell-calls.js';

/** One cell: a worker with its own event loop; the world is reached through the main thread's ports. */
if (parentPort === null) throw new Error('a cell is a thread');
const [data] = (await once(parentPort, 'message')) as [CellData | null];
// It is not needed after all. Of a thread, this ends the thread.
if (data === null) process.exit();
const { store: storePort, broker: brokerPort, control, options } = data;
const store = connectStore(storePort);
const broker = connectBroker(brokerPort);
let service: CropWorkerService | null = null;
let tracing: Tracing | null = null;

const calls: CellCalls = {
  async start() {
    const log = {
      debug: forward('debug'),
      info: forward('info'),
      warn: forward('warn'),
      error: forward('error'),
    };
    const { env } = process;
    tracing = await openTracing({ service: 'cropstream-worker', env, clock: systemClock, log });
    service = await startCropWorker({
      ...options,
      store,
      broker,
      clock: systemClock,
      randomness: systemRandomness,
      log,
      tracer: tracing,
      fingerprint: () => main.calls(['fingerprint']).fingerprint(),
      emit: (event) => main.send('emit', event),
      // Bytes that are a part of a larger buffer are copied by the port; others are moved.
      decodeElsewhere: (...job) => main.calls(['decode']).decode(...job),
    });
    const { id, address, port } = service;
    return { id, address, port };
  },
  async ready() {
    return service?.ready() ?? false;
  },
  async drain(graceMs) {
    await running().drain(graceMs);
  },
  async close(graceMs) {
    await service?.close(graceMs);
    await Promise.all([store.close(), broker.close(), tracing?.close()]);
    // After the answer to this call is on its way.
    setImmediate(() => void main.close());
  },
};
const main = openPeer<MainCalls>(control, calls, { movable });

function running(): CropWorkerService {
  if (service === null) throw failure('SHUTTING_DOWN', {});
  return service;
}

function forward(level: keyof Log) {
  return (fields: object, message: string) => main.send('log', level, plain(fields), message);
}

/** Errors lose what makes them useful on their way to another thread: they go as plain objects. */
function plain(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? { ...toFailure(value).toWire(), stack: value.stack } : value,
    ]),
  );
}
