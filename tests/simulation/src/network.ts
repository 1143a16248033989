import type { WorkerRecord } from '@cropstream/broker';
import type { AttachHandlers, AttachStream, FetchCall, FetchHandlers, Transport } from '@cropstream/client';
import type { AttachChannel, Connection, FrameReader } from '@cropstream/coordinator';
import { type CropstreamError, failure } from '@cropstream/errors';
import {
  type FetchChunkRequest,
  type Frame,
  fromStatus,
  type Location,
  type RunInfo,
  toStatus,
} from '@cropstream/protocol';
import { AttachLink } from './attach-link.js';
import { type ChunkService, FetchLink } from './fetch-link.js';
import type { Part } from './part.js';
import type { Reach } from './scenario.js';
import type { World } from './world.js';

/** What a coordinator process serves. */
export interface CoordinatorService {
  readonly part: Part;
  openRun(specJson: string): Promise<RunInfo>;
  getRun(name: string): Promise<RunInfo>;
  connect(channel: AttachChannel): Connection;
  readonly relays: ChunkService;
}

/** Who serves chunks: a worker, or a coordinator that relays them. */
export interface ChunkServer {
  readonly part: Part;
  readonly service: ChunkService;
}

export const TARGET = 'coordinators:50051';
/** The client's own deadline of a unary call. */
const UNARY_MS = 10_000;

/** Who listens where, and what is open between them. Connections are refused, cut, silent; nothing is ever out of order within one. */
export class Network {
  readonly coordinators = new Set<CoordinatorService>();
  /** By address: a worker that restarts comes back at the same one. */
  readonly workers = new Map<string, ChunkServer>();
  readonly streams = new Set<AttachLink>();

  constructor(readonly world: World) {}

  addCoordinator(service: CoordinatorService): void {
    this.coordinators.add(service);
    service.part.onCrash(() => this.coordinators.delete(service));
  }

  addWorker(address: string, worker: ChunkServer): void {
    this.workers.set(address, worker);
    worker.part.onCrash(() => {
      if (this.workers.get(address) === worker) this.workers.delete(address);
    });
  }

  delay(): number {
    const { chance, scenario } = this.world;
    return chance.network.spread(scenario.latencyMs / 10, scenario.latencyMs);
  }

  /** What a trainer calls with. */
  transportOf(part: Part, reach: Reach): Transport {
    return {
      target: TARGET,
      openRun: (specJson) => this.#unary(part, (service) => service.openRun(specJson)),
      getRun: (name) => this.#unary(part, (service) => service.getRun(name)),
      attach: (handlers) => this.#attach(part, handlers),
      fetch: (location, request, handlers) => this.#fetch(part, reach, location, request, handlers),
      relay: (request, handlers) => this.#relay(part, request, handlers),
      close: async () => {},
    };
  }

  /** A coordinator, as a balancer that has not heard of every crash yet would choose it. */
  #choose(): CoordinatorService | null {
    const living = [...this.coordinators];
    if (living.length === 0) return null;
    return this.world.chance.network.pick(living);
  }

  #unary(part: Part, ask: (service: CoordinatorService) => Promise<RunInfo>): Promise<RunInfo> {
    const { clock } = this.world;
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => clock.timer(this.delay(), () => part.enter(settle));
      const refuse = (reason: string) => answer(() => reject(unreachable(TARGET, reason)));
      if (!part.alive) return;
      part.clock.timer(UNARY_MS, () => reject(unreachable(TARGET, 'no answer in time')));
      clock.timer(this.delay(), () => {
        const service = this.#choose();
        if (!service) return refuse('connection refused');
        service.part.onCrash(() => refuse('the connection was reset'));
        service.part.enter(() => {
          ask(service).then(
            (info) => answer(() => resolve(info)),
            (error: unknown) => answer(() => reject(carried(error, TARGET))),
          );
        });
      });
    });
  }

  #attach(part: Part, handlers: AttachHandlers): AttachStream {
    const link = new AttachLink(this, part, handlers);
    link.open(() => this.#choose());
    return link.stream;
  }

  /** What a coordinator reads of a worker to relay it. */
  readerOf(part: Part, { address }: WorkerRecord, request: FetchChunkRequest): FrameReader<Frame> {
    const arrived: (Frame | null)[] = [];
    let failed: CropstreamError | null = null;
    let waiting: { resolve(frame: Frame | null): void; reject(error: CropstreamError): void } | null = null;
    const settle = () => {
      const frame = arrived.shift();
      if (frame !== undefined) waiting?.resolve(frame);
      else if (failed !== null) waiting?.reject(failed);
      else return;
      waiting = null;
    };
    const handlers: FetchHandlers = {
      frame: (frame) => {
        arrived.push({ ...frame, data: Buffer.from(frame.data) });
        if (waiting !== null) settle();
      },
      ended: (error) => {
        if (error === null) arrived.push(null);
        else failed = error;
        if (waiting !== null) settle();
      },
    };
    const link = new FetchLink(this, part, address, handlers);
    link.open(request, () => this.workers.get(address) ?? null);
    return {
      next: () =>
        new Promise((resolve, reject) => {
          waiting = { resolve, reject };
          settle();
        }),
      cancel: () => link.cancel(),
    };
  }

  #fetch(
    part: Part,
    { unreachable: out, refused }: Reach,
    { address }: Location,
    request: FetchChunkRequest,
    handlers: FetchHandlers,
  ): FetchCall {
    const link = new FetchLink(this, part, address, handlers);
    const reached = !out.includes(address);
    // A dial whose packets are dropped is never answered.
    if (reached || refused) link.open(request, () => (reached && this.workers.get(address)) || null);
    return { cancel: () => link.cancel() };
  }

  #relay(part: Part, request: FetchChunkRequest, handlers: FetchHandlers): FetchCall {
    const link = new FetchLink(this, part, TARGET, handlers);
    link.open(request, () => {
      const service = this.#choose();
      return service && { part: service.part, service: service.relays };
    });
    return { cancel: () => link.cancel() };
  }
}

export function unreachable(target: string, reason: string): CropstreamError {
  return failure('UNREACHABLE', { target, reason });
}

/** An error as it comes out at the other end of a gRPC call. */
export function carried(error: unknown, target: string): CropstreamError {
  return fromStatus(toStatus(error), target);
}
