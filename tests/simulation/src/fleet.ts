import { loadTransforms } from '@cropstream/augment';
import { type RunKey, type RunRecord, runKeyOf } from '@cropstream/broker';
import {
  Coordinator,
  type CoordinatorObserver,
  DEFAULT_LIMITS,
  RELAY_STREAM_BYTES,
  type RelayedCall,
  RunCatalog,
  relayService,
} from '@cropstream/coordinator';
import { CropWorker, DEFAULT_WORKER_LIMITS, fetchService, type Log } from '@cropstream/crop-worker';
import { FileManifestBuilder, type Manifest } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import type { Frame } from '@cropstream/protocol';
import { DEFAULT_OWNER, EVERYBODY, NO_LIMITS } from '@cropstream/runtime';
import { runDigest } from '@cropstream/spec';
import { brokerOf, storeOf, Wakes } from './calls.js';
import { type Disk, makerOf } from './chunks.js';
import type { Network } from './network.js';
import { Part } from './part.js';
import { FINGERPRINT, ROW_BYTES, type RunScenario, workerAddress } from './scenario.js';
import type { Server } from './server.js';
import type { World } from './world.js';

/** A worker's warnings and errors, in the event log. */
function logOf(part: Part): Log {
  const tell = (fields: object, message: string) => {
    const { err } = fields as { err?: unknown };
    part.world.log?.(`${part.name}: ${message}${err === undefined ? '' : ` (${err})`}`);
  };
  return { debug() {}, info() {}, warn: tell, error: tell };
}

const unobserved: Omit<CoordinatorObserver, 'hedged' | 'hedgeWon'> = {
  scheduled() {},
  announced() {},
  ready() {},
  workerDied() {},
  removed() {},
  attached() {},
  detached() {},
  nacked() {},
  progressed() {},
  passed() {},
  queued() {},
  passFailed() {},
  fleet() {},
};

const transforms = await loadTransforms([]);

/** Manifests by their number of samples: the same in every run. */
const manifests = new Map<number, Manifest>();

function manifestOf(samples: number): Manifest {
  let manifest = manifests.get(samples);
  if (!manifest) {
    const builder = new FileManifestBuilder({ source: 'image-folder', classes: ['all'], fields: [] });
    for (let id = 0; id < samples; id++) builder.add(Buffer.from(`${id}.jpg`), 1, 0);
    manifest = builder.build();
    manifests.set(samples, manifest);
  }
  return manifest;
}

/** Chunks that a coordinator relays at once. */
export const RELAY_PLACES = 3;

export interface CoordinatorProcess {
  readonly part: Part;
  readonly coordinator: Coordinator;
  /** What it relays now. */
  readonly relayed: { readonly streams: number; readonly waiting: number; readonly heldBytes: number };
}

export interface WorkerProcess {
  readonly part: Part;
  readonly worker: CropWorker;
  readonly disk: Disk;
}

/** The services' processes: started, killed and started again, each time with a new id. */
export class Fleet {
  readonly coordinators: (CoordinatorProcess | null)[];
  readonly workers: (WorkerProcess | null)[];
  /** Made chunks' memory that was not given back yet is counted by its worker's outbox. */
  readonly wakes = new Wakes();
  readonly #incarnations = new Map<string, number>();
  readonly #records: ReadonlyMap<string, RunRecord & { readonly run: RunScenario }>;

  constructor(
    readonly world: World,
    readonly server: Server,
    readonly network: Network,
  ) {
    const { scenario } = world;
    this.#records = new Map(
      scenario.runs.map((run) => {
        const manifest = manifestOf(run.samples);
        const record = {
          owner: DEFAULT_OWNER,
          name: run.name,
          digest: runDigest(run.spec, manifest.digest),
          specJson: JSON.stringify(run.spec),
          manifestDigest: manifest.digest,
          chunkSize: run.spec.chunk_size,
          fingerprint: FINGERPRINT,
          openedAt: 0,
          state: 'active' as const,
        };
        return [record.specJson, { ...record, run }];
      }),
    );
    this.coordinators = new Array(scenario.coordinators).fill(null);
    this.workers = new Array(scenario.workers).fill(null);
  }

  start(): void {
    for (const slot of this.coordinators.keys()) this.startCoordinator(slot);
    for (const slot of this.workers.keys()) this.startWorker(slot);
  }

  specJsonOf(run: RunScenario): string {
    return JSON.stringify(run.spec);
  }

  keyOf(run: RunScenario): RunKey {
    return runKeyOf(this.#records.get(this.specJsonOf(run))!);
  }

  startCoordinator(slot: number): void {
    const { world, network } = this;
    const part = this.#part(`coordinator-${slot}`);
    const { clock } = part;
    const store = storeOf(part, this.server, this.wakes);
    const broker = brokerOf(part, this.server);
    const fingerprint = async () => FINGERPRINT;
    const catalog = new RunCatalog({
      store,
      transforms,
      fingerprint,
      limits: DEFAULT_LIMITS,
      ownerLimits: () => NO_LIMITS,
      wall: () => clock.wall(),
    });
    const coordinator = new Coordinator({
      id: part.name,
      catalog,
      store,
      broker,
      clock,
      limits: DEFAULT_LIMITS,
      ownerLimits: () => NO_LIMITS,
      observer: {
        ...unobserved,
        hedged: () => world.counts.hedges++,
        hedgeWon: () => world.counts.hedgesWon++,
      },
    });
    const relayed = { streams: 0, waiting: 0, heldBytes: 0 };
    const relays = relayService<Frame, RelayedCall<Frame>>({
      admit: async ({ request }) => request.process,
      find: (workerId) => coordinator.living.find(workerId),
      open: (worker, { request }) => network.readerOf(part, worker, request),
      bytesOf: ({ data }) => data.length,
      clock,
      // Few places, so that relays wait for their turns.
      limits: { ...DEFAULT_LIMITS, relayBytes: RELAY_PLACES * RELAY_STREAM_BYTES },
      observer: {
        streams(active, waiting) {
          relayed.streams = active;
          relayed.waiting = waiting;
        },
        held(bytes) {
          relayed.heldBytes += bytes;
        },
        sent() {},
        ended: (outcome) => {
          if (outcome === 'whole') world.counts.relayed++;
        },
      },
    });
    const process = { part, coordinator, relayed };
    this.coordinators[slot] = process;
    network.addCoordinator({
      part,
      connect: (channel) => coordinator.connect(channel, EVERYBODY),
      relays,
      getRun: async (name) => (await catalog.byName(DEFAULT_OWNER, name)).info,
      // What RunCatalog.open does, without a folder to index.
      openRun: async (specJson) => {
        const record = this.#records.get(specJson);
        if (!record)
          throw failure('SPEC_INVALID', {
            field: 'spec',
            value: specJson,
            allowed: 'a run of this scenario',
          });
        const { run, ...asked } = record;
        await store.putManifest(asked.manifestDigest, manifestOf(run.samples).encode());
        await store.openRun(asked);
        return (await catalog.byName(asked.owner, asked.name)).info;
      },
    });
    this.#restart(part, () => {
      this.coordinators[slot] = null;
      return () => this.startCoordinator(slot);
    });
    world.log?.(`${part.name} starts`);
  }

  startWorker(slot: number): void {
    const { world, network } = this;
    const { scenario } = world;
    const part = this.#part(`worker-${slot}`);
    const address = workerAddress(slot);
    const limitsOf = scenario.worker;
    const maxChunkBytes = ROW_BYTES * Math.max(...scenario.runs.map(({ spec }) => spec.chunk_size));
    const limits = {
      ...DEFAULT_WORKER_LIMITS,
      jobs: limitsOf.jobs,
      outboxBytes: limitsOf.outboxChunks * maxChunkBytes,
    };
    const disk = { hangsUntil: 0 };
    const worker = new CropWorker({
      self: {
        ...{ id: part.name, address, tlsName: '', fingerprint: FINGERPRINT },
        ...{ slots: limitsOf.jobs, process: part.name },
      },
      store: storeOf(part, this.server, this.wakes),
      broker: brokerOf(part, this.server),
      clock: part.clock,
      log: logOf(part),
      emit: () => {},
      limits,
      maxChunkBytes,
      openRun: async (record) => {
        const run = this.#records.get(record.specJson)?.run;
        if (!run) throw new Error('a run of another scenario');
        return makerOf(world, run, part.clock, disk);
      },
    });
    const { server: service } = fetchService({
      workerId: part.name,
      outbox: worker.outbox,
      clock: part.clock,
      limits,
      emit: () => {},
      principalOf: () => EVERYBODY,
    });
    this.workers[slot] = { part, worker, disk };
    network.addWorker(address, { part, service });
    void worker.start();
    this.#restart(part, () => {
      this.workers[slot] = null;
      return () => this.startWorker(slot);
    });
    world.log?.(`${part.name} starts`);
  }

  #part(name: string): Part {
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    return new Part(`${name}.${incarnation}`, this.world);
  }

  #restart(part: Part, gone: () => () => void): void {
    part.onCrash(() => {
      const start = gone();
      this.world.clock.timer(this.world.chance.faults.spread(10, 3_000), start);
    });
  }
}
