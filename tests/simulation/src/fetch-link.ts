import { EventEmitter } from 'node:events';
import type { FetchHandlers } from '@cropstream/client';
import type { FetchService } from '@cropstream/crop-worker';
import type { CropstreamError } from '@cropstream/errors';
import { type FetchChunkRequest, type Frame, fromStatus } from '@cropstream/protocol';
import { Lane } from './lane.js';
import { type ChunkServer, type Network, unreachable } from './network.js';
import type { Part } from './part.js';

type GrpcCall = Parameters<FetchService['server']['fetchChunk']>[0];

/** A worker's own service, or a coordinator's that relays. */
export interface ChunkService {
  fetchChunk(call: GrpcCall): void;
}

/** What a chunk's memory looks like to a client that reads a frame after it returned. */
const REUSED = 0xee;

/** One FetchChunk call: the service of a worker or a relaying coordinator at one end, the client's handlers at the other. */
export class FetchLink {
  readonly #up: Lane;
  readonly #down: Lane;
  #clientOpen = true;
  #call: ServerCall | null = null;
  #server: Part | null = null;

  constructor(
    private readonly network: Network,
    private readonly client: Part,
    private readonly address: string,
    private readonly handlers: FetchHandlers,
  ) {
    this.#up = new Lane(network.world.clock);
    this.#down = new Lane(network.world.clock);
  }

  open(request: FetchChunkRequest, find: () => ChunkServer | null): void {
    if (!this.client.alive) return;
    const { log } = this.network.world;
    const { first, last } = request.chunk ?? {};
    log?.(
      `${this.client.name}: fetches ${first}-${last} from ${request.workerId}, byte ${request.offset} on`,
    );
    this.client.onCrash(() => {
      this.#clientOpen = false;
      this.#later(() => this.#tellServer());
    });
    this.#up.send(this.network.delay(), () => {
      const worker = find();
      if (!worker) return this.#tell(unreachable(this.address, 'connection refused'));
      this.#server = worker.part;
      worker.part.onCrash(() => this.#cut());
      worker.part.enter(() => {
        const call = new ServerCall(request, {
          frame: (frame, taken) => this.#send(frame, taken),
          ended: (error) =>
            this.#down.send(this.network.delay(), () =>
              this.#tell(error === null ? null : fromStatus(error, this.address)),
            ),
        });
        this.#call = call;
        worker.service.fetchChunk(call as unknown as GrpcCall);
      });
    });
  }

  cancel(): void {
    this.#clientOpen = false;
    this.#up.send(this.network.delay(), () => this.#tellServer());
  }

  /** In pieces, as another worker might cut its frames: so that a connection breaks in the middle of a chunk. */
  #send(frame: Frame, taken: () => void): void {
    const { world } = this.network;
    const dice = world.chance.network;
    const size = Math.max(1, Math.ceil(frame.data.length / dice.integer(1, 4)));
    let header = frame.header;
    for (let at = 0; at < Math.max(1, frame.data.length); at += size) {
      if (world.hostile && dice.happens(world.scenario.hostility.fetchCut)) {
        world.counts.cuts++;
        world.log?.(`${this.client.name}: a fetch from ${this.address} is cut`);
        this.#cut();
        return;
      }
      const data = Buffer.from(frame.data.subarray(at, at + size));
      if (world.hostile && data.length > 0 && dice.happens(world.scenario.hostility.damaged)) {
        world.counts.damaged++;
        world.log?.(`${this.client.name}: a frame from ${this.address} is damaged`);
        const where = dice.integer(0, data.length - 1);
        data[where] = (data[where] as number) ^ 1;
      }
      const piece = { header, offset: frame.offset + BigInt(at), data };
      header = undefined;
      this.#down.send(this.network.delay(), () => {
        this.client.enter(() => {
          if (this.#clientOpen) this.handlers.frame(piece);
          data.fill(REUSED);
        });
      });
    }
    // gRPC buffers a frame or two beyond what its reader took.
    this.#down.send(0, () => this.#server?.enter(taken));
  }

  #cut(): void {
    this.#up.cut();
    this.#down.cut();
    this.#later(() => this.#tell(unreachable(this.address, 'the connection was reset')));
    this.#later(() => this.#tellServer());
  }

  #later(run: () => void): void {
    this.network.world.clock.timer(this.network.delay(), run);
  }

  #tell(error: CropstreamError | null): void {
    this.client.enter(() => {
      if (!this.#clientOpen) return;
      this.#clientOpen = false;
      this.network.world.log?.(
        `${this.client.name}: the fetch from ${this.address} ends: ${error?.problem ?? 'whole'}`,
      );
      this.handlers.ended(error);
    });
  }

  #tellServer(): void {
    this.#server?.enter(() => this.#call?.cancel());
  }
}

interface CallEvents {
  frame(frame: Frame, taken: () => void): void;
  ended(error: unknown): void;
}

/** The part of grpc-js's ServerWritableStream that the worker's service uses. */
class ServerCall extends EventEmitter {
  cancelled = false;
  #over = false;

  constructor(
    readonly request: FetchChunkRequest,
    private readonly events: CallEvents,
  ) {
    super();
    this.on('error', (status: unknown) => this.#end(status));
  }

  /** Trainers look at none. */
  sendMetadata(): void {}

  write(frame: Frame, taken: () => void): boolean {
    if (!this.#over) this.events.frame(frame, taken);
    return true;
  }

  end(): void {
    this.#end(null);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.cancelled = true;
    this.emit('cancelled');
    this.emit('close');
  }

  #end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.events.ended(error);
    this.emit('finish');
    this.emit('close');
  }
}
