import type { WorkerRecord } from '@cropstream/broker';
import {
  CLIENT_OPTIONS,
  type FetchChunkRequest,
  fromStatus,
  RelayedWorkerClient,
} from '@cropstream/protocol';
import type { Clock } from '@cropstream/runtime';
import type { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { ChannelPool } from '@cropstream/runtime/grpc-channels';
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { type FrameReader, RELAY_WINDOW_BYTES } from './relay-service.js';

/** Fetches from workers over gRPC as this coordinator. */
export class WorkerReaders {
  readonly #channels: ChannelPool<RelayedWorkerClient>;

  constructor(
    private readonly access: GrpcAccess,
    clock: Clock,
  ) {
    this.#channels = new ChannelPool(({ address, tlsName }) => {
      const options = {
        ...CLIENT_OPTIONS,
        ...access.options(tlsName),
        'grpc-node.flow_control_window': RELAY_WINDOW_BYTES,
        // Streams of another window are not to share its connection.
        'grpc.use_local_subchannel_pool': 1,
      };
      return new RelayedWorkerClient(address, access.credentials, options);
    }, clock);
  }

  open(worker: WorkerRecord, request: FetchChunkRequest): FrameReader<Buffer> {
    const { client, release } = this.#channels.take(worker);
    const gate = new Gate();
    const call = client.fetchChunk(request, this.access.metadata(), { interceptors: [gate.interceptor] });
    const arrived: (Buffer | null)[] = [];
    let failed: Error | null = null;
    let waiting: { resolve(frame: Buffer | null): void; reject(error: Error): void } | null = null;
    const settle = () => {
      if (waiting === null) return;
      const frame = arrived.shift();
      if (frame !== undefined) waiting.resolve(frame);
      else if (failed !== null) waiting.reject(failed);
      else return;
      waiting = null;
    };
    let over = false;
    const end = (ended: () => void) => {
      if (over) return;
      over = true;
      release();
      ended();
      settle();
    };
    call.on('data', (frame: Buffer) => {
      arrived.push(frame);
      settle();
    });
    call.on('end', () => end(() => arrived.push(null)));
    call.on('error', (error) =>
      end(() => {
        failed = fromStatus(error, worker.address);
      }),
    );
    return {
      next: () =>
        new Promise((resolve, reject) => {
          waiting = { resolve, reject };
          gate.open();
          settle();
        }),
      cancel: () => call.cancel(),
    };
  }

  close(): void {
    this.#channels.close();
  }
}

/** Lets one message in each time that it is opened. By itself a readable stream of gRPC reads 16 ahead of its reader. */
class Gate {
  #asked = 0;
  #read: (() => void) | null = null;

  readonly interceptor: Interceptor = (options, nextCall) => {
    const call = nextCall(options);
    const gated = new InterceptingCall(call);
    gated.startRead = () => {
      this.#read = () => call.startRead();
      this.#pass();
    };
    return gated;
  };

  open(): void {
    this.#asked++;
    this.#pass();
  }

  #pass(): void {
    const read = this.#read;
    if (read === null || this.#asked === 0) return;
    this.#read = null;
    this.#asked--;
    read();
  }
}
