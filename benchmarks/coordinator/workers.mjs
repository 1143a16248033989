// A process of workers without pixels: each has its own connection to Redis and runs the very code of a worker, but
// its chunks are made at once, of no bytes.
import { connectFleet } from '@cropstream/broker/redis';
import { CropWorker, DEFAULT_WORKER_LIMITS } from '@cropstream/crop-worker';
import { SERVER_OPTIONS, toStatus, workerHealthName } from '@cropstream/protocol';
import { reflectionPackage } from '@cropstream/protocol/reflection';
import { OPEN_ACCESS, systemClock } from '@cropstream/runtime';
import { GrpcServer } from '@cropstream/runtime/grpc';
import { planOf } from './run.mjs';

const [url, workerCount] = [process.argv[2], Number(process.argv[3])];

const nothing = new Uint8Array(0);
const chunk = {
  columns: [],
  payloadBytes: 0,
  crc32: 0,
  substitutions: [],
  payload: nothing,
  capacity: 0,
  timings: { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 },
  release() {},
};

async function openRun(record) {
  return {
    plan: planOf(record),
    chunkSize: record.chunkSize,
    bytesFor: () => 0,
    make: async ({ indices }) => ({ ...chunk, samples: indices.length }),
    close: async () => {},
  };
}

/** What workers warned of, and how often: on a machine that is busy with other things they are late to be heard. */
let warnings = new Map();
const warned = (_details, message) => warnings.set(message, (warnings.get(message) ?? 0) + 1);
const log = { info() {}, warn: warned, error: warned };
const ids = Array.from({ length: workerCount }, (_, i) => `worker-${i}`);
// Coordinators dial each worker at its address before it counts: one server answers for all of them.
const server = await GrpcServer.listen({
  host: '127.0.0.1',
  port: 0,
  portFlag: '',
  channel: SERVER_OPTIONS,
  services: {},
  healthNames: ids.map(workerHealthName),
  reflection: reflectionPackage(),
  certificates: null,
  access: OPEN_ACCESS,
  toStatus,
});
for (const id of ids) {
  const { store, broker } = await connectFleet({ url });
  const address = `127.0.0.1:${server.port}`;
  const worker = new CropWorker({
    self: { id, address, tlsName: '', fingerprint: 'bench', slots: 16 },
    store,
    broker,
    clock: systemClock,
    log,
    emit() {},
    limits: { ...DEFAULT_WORKER_LIMITS, jobs: 17 },
    maxChunkBytes: 1,
    openRun,
  });
  await worker.start();
}
process.on('message', () => {
  process.send({ warnings: Object.fromEntries(warnings) });
  warnings = new Map();
});
process.on('disconnect', () => process.exit());
process.send({ started: workerCount });
