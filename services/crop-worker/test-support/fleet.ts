/** One worker on memory adapters and a virtual clock, with a maker that only counts. */
import { type ChunkJob, chunkName, jobId, MemoryBroker, MemoryStore, type Store } from '@cropstream/broker';
import { exampleAttachment } from '@cropstream/broker/contract';
import type { ChunkRequest, MadeChunk } from '@cropstream/chunks';
import { VirtualClock } from '@cropstream/runtime/testing';
import { epochPlan } from '@cropstream/schedule';
import { DEFAULT_WORKER_LIMITS, type WorkerLimits } from '../src/worker/config.js';
import { CropWorker } from '../src/worker/crop-worker.js';
import type { Log, WorkerEvent } from '../src/worker/events.js';
import { fakeChunk } from './chunks.js';

const DIGEST = 'd'.repeat(64);
export const RUN = `o1.${DIGEST}`;
export const CHUNK_BYTES = 100;
export const FINGERPRINT = 'fp';

/** Chunks of 4 positions, a step each: step `s` wants `0-<4s>-<4s+4>`. */
const PLAN = epochPlan({ samples: 400, globalBatchSize: 4, dropLast: true });

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface FleetOptions {
  /** What opening a run waits for. @default nothing */
  readonly opening?: Promise<void>;
  readonly limits?: Partial<WorkerLimits>;
  /** @default CHUNK_BYTES, which every chunk has */
  readonly maxChunkBytes?: number;
  /** @default resolves at once */
  readonly make?: (request: ChunkRequest, signal: AbortSignal) => Promise<MadeChunk>;
  /** What a worker sees of the store. @default the store itself */
  readonly seen?: (store: MemoryStore) => Store;
  /** @default nobody hears it */
  readonly log?: Log;
  /** @default it needs no admission */
  readonly whenAdmitted?: Promise<void>;
}

export interface Fleet {
  readonly clock: VirtualClock;
  readonly store: MemoryStore;
  readonly broker: MemoryBroker;
  readonly worker: CropWorker;
  readonly events: WorkerEvent[];
  /** How many chunks were made. */
  made(): number;
  /** What the only trainer wants: global steps [next, end). */
  want(next: number, end: number): Promise<void>;
  /** Claims a step's chunk and queues its job. */
  queue(step: number): Promise<ChunkJob>;
  state(
    step: number,
  ): ReturnType<Store['chunkStates']> extends Promise<readonly (infer S)[]> ? Promise<S> : never;
  /** Sends a step's chunk whole, as FetchChunk does. */
  fetch(step: number): void;
}

export const spanOf = (step: number) => ({ epoch: 0, first: 4 * step, last: 4 * step + 4 });
export const nameOf = (step: number) => chunkName(spanOf(step));

export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const clock = new VirtualClock();
  const store = new MemoryStore({ clock });
  const broker = new MemoryBroker({ clock });
  const events: WorkerEvent[] = [];
  let made = 0;
  await store.putManifest('m', new Uint8Array(1));
  const run = {
    owner: 'o1',
    name: 'run',
    digest: DIGEST,
    specJson: '{}',
    manifestDigest: 'm',
    chunkSize: 4,
    fingerprint: FINGERPRINT,
  };
  await store.openRun({ ...run, openedAt: 0, state: 'active' });
  const worker = new CropWorker({
    self: {
      ...{ id: 'worker-1', address: 'host:1', tlsName: '', fingerprint: FINGERPRINT },
      ...{ slots: 1, process: 'process-1' },
    },
    store: options.seen?.(store) ?? store,
    broker,
    clock,
    log: options.log ?? silent,
    emit: (event) => events.push(event),
    limits: { ...DEFAULT_WORKER_LIMITS, outboxBytes: 10 * CHUNK_BYTES, ...options.limits },
    maxChunkBytes: options.maxChunkBytes ?? CHUNK_BYTES,
    ...(options.whenAdmitted && { whenAdmitted: options.whenAdmitted }),
    openRun: async () => {
      await options.opening;
      return {
        plan: PLAN,
        chunkSize: 64,
        bytesFor: () => CHUNK_BYTES,
        async make(request, signal) {
          made++;
          return options.make ? options.make(request, signal) : fakeChunk(CHUNK_BYTES);
        },
        close: async () => {},
      };
    },
  });
  const fleet: Fleet = {
    clock,
    store,
    broker,
    worker,
    events,
    made: () => made,
    async want(nextStep, windowEnd) {
      const window = { worldSize: 1, nextStep, windowEnd };
      const attachment = exampleAttachment({ runKey: RUN, runName: 'run', ...window });
      await store.attach(attachment, 3_600_000, true);
    },
    async queue(step) {
      const claim = await store.claim(RUN, nameOf(step), 1_000);
      if (!('claimed' in claim)) throw new Error(`step ${step} cannot be claimed: ${JSON.stringify(claim)}`);
      const { attempt } = claim.claimed;
      const job = {
        id: jobId(RUN, nameOf(step), attempt),
        runKey: RUN,
        ...spanOf(step),
        attempt,
        indices: [0, 1, 2, 3],
        urgent: false,
        url: '/data',
      };
      await broker.add(FINGERPRINT, [job]);
      return job;
    },
    async state(step) {
      const [state] = await store.chunkStates(RUN, [nameOf(step)]);
      return state!;
    },
    fetch(step) {
      worker.outbox.open(RUN, nameOf(step))!.close(true);
    },
  };
  await fleet.want(0, 100);
  await worker.start();
  return fleet;
}
