import { hostname } from 'node:os';
import type { Broker, Store } from '@cropstream/broker';
import {
  type ChunkLimits,
  ChunkMaker,
  createSharedParts,
  type DecodeElsewhere,
  type DecoderChoice,
  type SharedParts,
} from '@cropstream/chunks';
import { decodeManifest, factsOf, type OpenOptions, openDataset, Roots } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import {
  reflectionPackage,
  SERVER_OPTIONS,
  toStatus,
  type WorkerServer,
  workerHealthName,
  workerService,
} from '@cropstream/protocol';
import {
  type Access,
  type Clock,
  DEFAULT_GRPC_LIMITS,
  type GrpcLimits,
  type OwnerLimits,
  openAccess,
  type Randomness,
  ServerCertificates,
  type ServerSecurity,
  type Tracer,
} from '@cropstream/runtime';
import { GrpcServer, principalOf } from '@cropstream/runtime/grpc';
import { parseSpec, planOf } from '@cropstream/spec';
import { Admission } from './admission.js';
import { DEFAULT_WORKER_LIMITS, type WorkerLimits } from './config.js';
import { CropWorker } from './crop-worker.js';
import { type DataAccessOptions, dataAccess } from './data-access.js';
import type { Emit, Log } from './events.js';
import { type FetchService, fetchService } from './fetch-service.js';
import type { OpenRun } from './run-book.js';

export interface CropWorkerServiceOptions extends DataAccessOptions {
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly log: Log;
  /** @default nothing is traced */
  readonly tracer?: Tracer | null;
  /** Told of everything that metrics count. */
  readonly emit: Emit;
  /** The pixel fingerprint of this build: the queue whose jobs it takes. Waited for once all else has started. */
  readonly fingerprint: () => Promise<string>;
  /** The address to listen on. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** What sets the port, for the error that names a free one. @default '--worker-port' */
  readonly portFlag?: string;
  /** The host that trainers are told. @default `host`; the machine's name where `host` is all addresses */
  readonly advertise?: string;
  readonly security: ServerSecurity;
  /** Of its process, whose cells share it. @default its own id */
  readonly process?: string;
  /** Compute threads: at least 1. */
  readonly threads: number;
  /** ES modules of third-party transforms. @default none */
  readonly transforms?: readonly string[];
  /** ES modules of third-party sources. @default none */
  readonly sources?: readonly string[];
  /** @default 'auto' */
  readonly decoder?: DecoderChoice;
  /** @default sharp on this thread, which is then to be the process's main one */
  readonly decodeElsewhere?: DecodeElsewhere;
  /** @default DEFAULT_WORKER_LIMITS */
  readonly limits?: Partial<WorkerLimits>;
  /** @default DEFAULT_CHUNK_LIMITS */
  readonly chunkLimits?: Partial<ChunkLimits>;
  /** Limits of the gRPC port. @default DEFAULT_GRPC_LIMITS */
  readonly grpc?: Partial<GrpcLimits>;
}

export interface CropWorkerService {
  /** Fresh at every start. */
  readonly id: string;
  /** As trainers are told it, `host:port`. */
  readonly address: string;
  readonly port: number;
  /** Whether it takes jobs: admitted, heard, and not about to stop. */
  ready(): boolean;
  /** Takes no more jobs; resolves when what is wanted was fetched, or after `graceMs`. */
  drain(graceMs: number): Promise<void>;
  /** Leaves, then ends streams under way within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** A worker that listens: takes jobs, makes chunks, serves them. Does not own store and broker. */
export async function startCropWorker(options: CropWorkerServiceOptions): Promise<CropWorkerService> {
  const { clock, randomness, host, threads, emit } = options;
  const limits = { ...DEFAULT_WORKER_LIMITS, ...options.limits };
  const id = randomness.id();
  const data = dataAccess(options, options.log);
  const parts = await createSharedParts({
    ...options,
    // The outbox has room for every chunk that is made: buffers take no more than it may.
    bufferBytes: limits.outboxBytes,
    limits: options.chunkLimits ?? {},
  });
  const access = openAccess(options.security, options);
  let fetches: FetchService | null = null;
  let grpc: GrpcServer | null = null;
  try {
    grpc = await GrpcServer.listen({
      host,
      port: options.port,
      portFlag: options.portFlag ?? '--worker-port',
      channel: SERVER_OPTIONS,
      certificates: options.security.tls && new ServerCertificates(options.security.tls, options.log),
      access,
      limits: options.grpc ?? {},
      toStatus,
      healthNames: [workerHealthName(id)],
      services: {
        'cropstream.v1.Worker': {
          definition: workerService,
          implementation: {
            fetchChunk: ((call) => {
              if (fetches) fetches.server.fetchChunk(call);
              else call.emit('error', toStatus(failure('SHUTTING_DOWN', {})));
            }) satisfies WorkerServer['fetchChunk'],
          },
          roles: { fetchChunk: ['trainer', 'operator', 'service'] },
        },
      },
      reflection: reflectionPackage,
      clock,
    });
    const address = hostPort(options.advertise ?? advertised(host), grpc.port);
    const fingerprint = await options.fingerprint();
    const admission = new Admission({ ...options, id, address });
    const server = grpc;
    const tellCuts = cutsOf(server, emit);
    const worker = new CropWorker({
      ...options,
      whenAdmitted: admission.whenAdmitted,
      self: {
        ...{ id, address, fingerprint, slots: threads, process: options.process ?? id },
        tlsName: options.security.tls?.name ?? '',
      },
      limits,
      maxChunkBytes: parts.limits.maxChunkBytes,
      openRun: openRunWith(parts, data.open, (owner) => access.limitsOf(owner)),
      emit: (event) => {
        if (event.kind !== 'state') return emit(event);
        emit({
          ...event,
          freeBytes: parts.buffers.freeBytes,
          used: {
            ...{ ...event.used, ...data.used(), ...usedOf(parts) },
            ...{ maxStreams: fetches?.streams ?? 0, maxConnections: server.connections.open },
          },
        });
        data.report(emit);
        tellCuts();
      },
    });
    fetches = fetchService({
      ...{ workerId: id, outbox: worker.outbox, clock, limits, emit, principalOf },
      tracer: options.tracer,
    });
    emit({
      kind: 'limits',
      limits: { ...DEFAULT_GRPC_LIMITS, ...options.grpc, ...limits, ...parts.limits, ...data.limits },
    });
    await worker.start();
    admission.start();
    return serviceOf(id, address, { grpc, worker, parts, admission, access });
  } catch (error) {
    await grpc?.stop(0);
    access.close();
    await parts.close();
    throw error;
  }
}

/** Tells of connections that a server has cut, whenever it is called. */
function cutsOf(grpc: GrpcServer, emit: Emit): () => void {
  let told = 0;
  return () => {
    const { cut } = grpc.connections;
    if (cut > told) emit({ kind: 'cut', connections: cut - told });
    told = cut;
  };
}

function usedOf({ budgets }: SharedParts): Partial<ChunkLimits> {
  return {
    readAheadBytes: budgets.encoded.used,
    readAheadSamples: budgets.samples.used,
    decodedBytes: budgets.decoded.used,
  };
}

interface Running {
  readonly grpc: GrpcServer;
  readonly worker: CropWorker;
  readonly parts: SharedParts;
  readonly admission: Admission;
  readonly access: Access;
}

function serviceOf(
  id: string,
  address: string,
  { grpc, worker, parts, admission, access }: Running,
): CropWorkerService {
  let stopping = false;
  return {
    id,
    address,
    port: grpc.port,
    ready: () => !stopping && admission.admitted && worker.isHeard,
    async drain(graceMs) {
      stopping = true;
      grpc.notServing();
      await worker.drain(graceMs);
    },
    async close(graceMs) {
      stopping = true;
      admission.stop();
      grpc.notServing();
      await worker.close();
      await grpc.stop(graceMs);
      access.close();
      await parts.close();
    },
  };
}

/** Specs and manifests come from the store, so both are checked again. */
function openRunWith(
  shared: SharedParts,
  open: OpenOptions,
  limitsOf: (owner: string) => Pick<OwnerLimits, 'roots'>,
): OpenRun {
  return async (run, { manifest: encoded, parts, url }) => {
    const manifest = decodeManifest(encoded);
    const spec = parseSpec(JSON.parse(run.specJson), {
      transforms: shared.registry,
      sources: shared.sources,
      samples: manifest.length,
    });
    const plan = planOf(spec, factsOf(manifest));
    const storage = { ...open.storage, roots: new Roots(limitsOf(run.owner).roots) };
    const reader = openDataset(url, manifest, { ...open, storage, parts, sources: shared.sources });
    const maker = new ChunkMaker(spec, manifest, reader, shared);
    return {
      plan,
      chunkSize: run.chunkSize,
      bytesFor: (samples) => maker.bytesFor(samples),
      make: (request, signal) => maker.make(request, signal),
      close: () => reader.close(),
    };
  };
}

function advertised(host: string): string {
  return host === '0.0.0.0' || host === '::' ? hostname() : host;
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
