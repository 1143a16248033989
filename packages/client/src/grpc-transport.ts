import type { CropstreamError } from '@cropstream/errors';
import {
  type AttachResponse,
  CLIENT_OPTIONS,
  CoordinatorClient,
  type FetchChunkRequest,
  type Frame,
  fromStatus,
  type Location,
  PROTOCOL_VERSION,
  type RunInfo,
  WorkerClient,
} from '@cropstream/protocol';
import { type ClientSecurity, type Clock, systemClock, type Timer } from '@cropstream/runtime';
import { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { ChannelPool } from '@cropstream/runtime/grpc-channels';
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { AttachHandlers, AttachStream, FetchCall, FetchHandlers, Transport } from './core/transport.js';
import { readAsTheyCome } from './grpc-frames.js';

/** A coordinator answers from memory. */
const GET_RUN_MS = 10_000;
/** Opening a run may index its dataset first: millions of files on slow storage. */
const OPEN_RUN_MS = 30 * 60_000;
/** A stream that we ended is cut when the peer has not ended it by then. */
const LINGER_MS = 1000;

interface Cancellable {
  cancel(): void;
}

/** Calls over gRPC: one channel to the coordinator, one more for what it relays, and one to each worker while it is used. */
export class GrpcTransport implements Transport {
  readonly #coordinator: CoordinatorClient;
  readonly #workers: ChannelPool<WorkerClient>;
  /** To the coordinator, once chunks come through it. */
  #relay: WorkerClient | null = null;
  /** Streams to the coordinator that have not ended yet. */
  readonly #streams = new Set<Cancellable>();
  /** Other calls under way. */
  readonly #calls = new Set<Cancellable>();
  readonly #access: GrpcAccess;
  #ended = () => {};

  /** @param target the coordinator's `host:port` */
  constructor(
    readonly target: string,
    security: ClientSecurity,
    private readonly clock: Clock = systemClock,
  ) {
    this.#access = new GrpcAccess(security);
    this.#coordinator = new CoordinatorClient(target, this.#access.credentials, {
      ...CLIENT_OPTIONS,
      ...this.#access.coordinatorOptions,
    });
    this.#workers = new ChannelPool(({ address, tlsName }) => {
      const options = { ...CLIENT_OPTIONS, ...this.#access.options(tlsName) };
      return new WorkerClient(address, this.#access.credentials, options);
    }, clock);
  }

  openRun(specJson: string): Promise<RunInfo> {
    const request = { protocolVersion: PROTOCOL_VERSION, specJson };
    const deadline = this.clock.wall() + OPEN_RUN_MS;
    return this.#unary((done) =>
      this.#coordinator.openRun(request, this.#access.metadata(), { deadline }, done),
    );
  }

  getRun(name: string): Promise<RunInfo> {
    const request = { protocolVersion: PROTOCOL_VERSION, name };
    const deadline = this.clock.wall() + GET_RUN_MS;
    return this.#unary((done) =>
      this.#coordinator.getRun(request, this.#access.metadata(), { deadline }, done),
    );
  }

  attach(handlers: AttachHandlers): AttachStream {
    const call = this.#coordinator.attach(this.#access.metadata());
    this.#streams.add(call);
    let linger: Timer | null = null;
    const stream = follow<AttachResponse>(call, this.target, {
      data: (message) => handlers.message(message),
      ended: (error) => handlers.ended(error),
      settled: () => {
        linger?.cancel();
        this.#streams.delete(call);
        this.#ended();
      },
    });
    return {
      send: (message) => {
        if (stream.open) call.write(message);
      },
      close: () => {
        if (!stream.open) return;
        stream.open = false;
        call.end();
        linger = this.clock.timer(LINGER_MS, () => call.cancel());
      },
    };
  }

  fetch(location: Location, request: FetchChunkRequest, handlers: FetchHandlers): FetchCall {
    const { client, release } = this.#workers.take(location);
    return this.#fetch(client, location.address, request, handlers, release);
  }

  relay(request: FetchChunkRequest, handlers: FetchHandlers): FetchCall {
    this.#relay ??= new WorkerClient(this.target, this.#access.credentials, {
      ...CLIENT_OPTIONS,
      ...this.#access.coordinatorOptions,
      // A connection of its own: what the coordinator says must not wait behind megabytes.
      'grpc.use_local_subchannel_pool': 1,
    });
    return this.#fetch(this.#relay, this.target, request, handlers, () => {});
  }

  async close(): Promise<void> {
    for (const call of this.#calls) call.cancel();
    if (this.#streams.size > 0) {
      await new Promise<void>((resolve) => {
        const limit = this.clock.timer(LINGER_MS, resolve);
        this.#ended = () => {
          if (this.#streams.size > 0) return;
          limit.cancel();
          resolve();
        };
      });
    }
    for (const stream of this.#streams) stream.cancel();
    this.#workers.close();
    this.#relay?.close();
    this.#coordinator.close();
  }

  #fetch(
    client: WorkerClient,
    target: string,
    request: FetchChunkRequest,
    handlers: FetchHandlers,
    settled: () => void,
  ): FetchCall {
    const call = client.fetchChunk(request, this.#access.metadata());
    this.#calls.add(call);
    const stream = follow<Frame>(call, target, {
      data: (frame) => handlers.frame(frame),
      ended: (error) => handlers.ended(error),
      settled: () => {
        this.#calls.delete(call);
        settled();
      },
    });
    readAsTheyCome(call, (frame) => {
      if (stream.open) handlers.frame(frame);
    });
    return {
      cancel: () => {
        stream.open = false;
        call.cancel();
      },
    };
  }

  #unary<T>(start: (done: (error: ServiceError | null, value: T) => void) => Cancellable): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = start((error, value) => {
        this.#calls.delete(call);
        if (error) reject(fromStatus(error, this.target));
        else resolve(value);
      });
      this.#calls.add(call);
    });
  }
}

interface StreamEvents<T> {
  data(message: T): void;
  ended(error: CropstreamError | null): void;
  /** The call is over, whoever ended it. */
  settled(): void;
}

/** Hands a call's events on until it ends or `open` is set to false. `settled` comes once in any case. */
function follow<T>(call: Pick<ClientReadableStream<T>, 'on'>, target: string, events: StreamEvents<T>) {
  const stream = { open: true };
  let settled = false;
  const end = (error: CropstreamError | null) => {
    if (!settled) {
      settled = true;
      events.settled();
    }
    if (!stream.open) return;
    stream.open = false;
    events.ended(error);
  };
  call.on('data', (message: T) => {
    if (stream.open) events.data(message);
  });
  call.on('error', (error: Error) => end(fromStatus(error, target)));
  call.on('end', () => end(null));
  return stream;
}
