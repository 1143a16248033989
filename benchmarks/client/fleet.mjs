// A service that costs next to nothing: chunks that a trainer wants are ready at once, or one every --make-ms, and all have the
// same bytes. They are sent by the crop-worker's own code. Says on stdout: { "target": HOST:PORT, "worker": id,
// "chunkBytes": n }.
//
//   node benchmarks/client/fleet.mjs --batch 128 --chunk 64 [--recipe dino] [--make-ms 40] [--worker HOST:PORT]
//
// With --worker the chunks lie at another such process, and this one relays them as a coordinator does.
import { randomFillSync } from 'node:crypto';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { compileViews, RECIPES, resolveViews, TransformRegistry } from '@cropstream/augment';
import { fetchService } from '@cropstream/crop-worker';
import { CoordinatorService, SERVER_OPTIONS, toStatus, workerService } from '@cropstream/protocol';
import { reflectionPackage } from '@cropstream/protocol/reflection';
import { createRegistry, OPEN, OPEN_ACCESS, systemClock } from '@cropstream/runtime';
import { GrpcServer, principalOf } from '@cropstream/runtime/grpc';
import { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { epochPlan, wantedChunks } from '@cropstream/schedule';
import { DEFAULT_LIMITS } from '../../services/coordinator/dist/limits.js';
import { openRelay } from '../../services/coordinator/dist/relay/relay.js';

const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '128' },
    chunk: { type: 'string', default: '64' },
    recipe: { type: 'string', default: 'dino' },
    'make-ms': { type: 'string', default: '0' },
    worker: { type: 'string' },
  },
});
const batch = Number(values.batch);
const chunkSize = Number(values.chunk);
const makeMs = Number(values['make-ms']);
if (batch % chunkSize !== 0) throw new Error('--batch is to be a multiple of --chunk');

const EPOCH = 1000;
const WORKER = 'bench';
const DIGEST = '0'.repeat(64);
const recipe = RECIPES[values.recipe];
const context = { registry: new TransformRegistry(), normalization: recipe.normalization };
const views = compileViews(resolveViews(undefined, recipe, context), { layout: 'nchw' });
const run = {
  name: 'bench',
  digest: DIGEST,
  specJson: JSON.stringify({ name: 'bench', output: { layout: 'nchw' } }),
  manifestDigest: DIGEST,
  fingerprint: 'bench',
  samples: BigInt(EPOCH * batch),
  globalBatchSize: BigInt(batch),
  dropLast: true,
  stepsPerEpoch: BigInt(EPOCH),
  chunkSize,
  sampleBytes: BigInt(views.reduce((sum, view) => sum + view.bytesPerSample, 0)),
  views: views.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
  fields: [],
  classes: [],
  ...recipe.normalization,
};
const plan = epochPlan({ samples: EPOCH * batch, globalBatchSize: batch, dropLast: true });

const columns = [
  ...views.map(({ name, dtype, shape, bytesPerSample }) => ({
    name,
    dtype,
    shape,
    bytes: chunkSize * bytesPerSample,
  })),
  ...['_indices', 'labels'].map((name) => ({ name, dtype: 'int64', shape: [], bytes: chunkSize * 8 })),
];
const payload = new Uint8Array(columns.reduce((sum, { bytes }) => sum + bytes, 0));
for (let at = 0; at < payload.length; at += 1 << 16)
  randomFillSync(payload, at, Math.min(1 << 16, payload.length - at));
const made = {
  samples: chunkSize,
  columns,
  payload,
  payloadBytes: payload.length,
  crc32: crc32(payload),
  substitutions: [],
};
const held = { open: () => ({ held: { attempt: 1, made }, close() {} }) };

const keyOf = ({ epoch, first }) => `${epoch} ${first}`;

/** Announces what the window wants, in the order it is wanted; again where it could not be had. */
function attach(call) {
  const told = new Set();
  let member = null;
  let progress = null;
  let madeAt = 0;
  const announce = (value) => {
    if (makeMs === 0) return call.write({ message: { $case: 'ready', value } });
    madeAt = Math.max(madeAt, performance.now()) + makeMs;
    setTimeout(() => call.write({ message: { $case: 'ready', value } }), madeAt - performance.now());
  };
  call.on('data', ({ message }) => {
    if (message?.$case === 'attach') {
      member = message.value;
      progress = member.progress;
      call.write({ message: { $case: 'attached', value: { run, fencing: 1n } } });
    }
    if (message?.$case === 'progress') progress = message.value;
    if (message?.$case === 'nack') told.delete(keyOf(message.value.chunk));
    const nextStep = Number(progress.nextStep);
    const windowEnd = Math.min(
      nextStep + Math.floor(progress.creditChunks / (batch / chunkSize)),
      member.endStep === undefined ? Number.MAX_SAFE_INTEGER : Number(member.endStep),
    );
    for (const { epoch, first, last } of wantedChunks(plan, chunkSize, {
      rank: 0,
      worldSize: 1,
      nextStep,
      windowEnd,
    })) {
      if (told.has(keyOf({ epoch, first }))) continue;
      told.add(keyOf({ epoch, first }));
      const chunk = { epoch: BigInt(epoch), first: BigInt(first), last: BigInt(last) };
      const location = { workerId: WORKER, address: values.worker ?? own, tlsName: '' };
      announce({ chunk, attempt: 1, location, bytes: BigInt(payload.length) });
    }
  });
  call.on('end', () => call.end());
  call.on('error', () => {});
}

const unary = (_, done) => done(null, run);
const anybody = ['trainer', 'operator', 'service'];

function sendingService() {
  const limits = { maxStreams: 64, stalledMs: 60_000, streamMs: 600_000 };
  const { fetchChunk } = fetchService({
    ...{ workerId: WORKER, outbox: held, clock: systemClock, limits, principalOf, emit() {} },
  }).server;
  return { definition: workerService, implementation: { fetchChunk }, roles: { fetchChunk: anybody } };
}

function relayingService(address) {
  const worker = { id: WORKER, address, tlsName: '' };
  return openRelay({
    find: async () => worker,
    peers: new GrpcAccess(OPEN),
    clock: systemClock,
    limits: DEFAULT_LIMITS,
    registry: createRegistry(),
  }).service;
}

const server = await GrpcServer.listen({
  ...{ host: '127.0.0.1', port: 0, portFlag: '--port', channel: SERVER_OPTIONS, toStatus },
  ...{ certificates: null, access: OPEN_ACCESS, reflection: reflectionPackage() },
  services: {
    'cropstream.v1.Coordinator': {
      definition: CoordinatorService,
      implementation: { openRun: unary, getRun: unary, listRuns: unary, attach },
      roles: { openRun: anybody, getRun: anybody, listRuns: anybody, attach: anybody },
    },
    'cropstream.v1.Worker': values.worker === undefined ? sendingService() : relayingService(values.worker),
  },
});
const own = `127.0.0.1:${server.port}`;
console.log(JSON.stringify({ target: own, worker: WORKER, chunkBytes: payload.length }));
