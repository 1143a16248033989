import type { AttachHandlers, AttachStream } from '@cropstream/client';
import type { Connection } from '@cropstream/coordinator';
import type { CropstreamError } from '@cropstream/errors';
import { type AttachRequest, type AttachResponse, Nack_Reason } from '@cropstream/protocol';
import { Lane } from './lane.js';
import { type CoordinatorService, carried, type Network, TARGET, unreachable } from './network.js';
import type { Part } from './part.js';

/** A trainer's stream to a coordinator. Either end may be told late that it was cut. */
export class AttachLink {
  readonly stream: AttachStream;
  readonly #up: Lane;
  readonly #down: Lane;
  #clientOpen = true;
  #serverOpen = false;
  #connection: Connection | null = null;
  #server: Part | null = null;

  constructor(
    private readonly network: Network,
    private readonly client: Part,
    private readonly handlers: AttachHandlers,
  ) {
    this.#up = new Lane(network.world.clock);
    this.#down = new Lane(network.world.clock);
    this.stream = {
      send: (message) => this.#toServer(message),
      close: () => this.#closeClient(),
    };
  }

  /** Messages on their way to the trainer. */
  get inFlight(): number {
    return this.#down.inFlight;
  }

  open(choose: () => CoordinatorService | null): void {
    this.network.streams.add(this);
    this.client.onCrash(() => this.#clientGone());
    this.client.onFrozen(() => this.cut('a silent trainer'));
    this.#up.send(this.network.delay(), () => {
      const service = choose();
      if (!service) {
        this.#end(unreachable(TARGET, 'connection refused'));
        return;
      }
      const { part } = service;
      this.#server = part;
      part.onCrash(() => this.#serverGone());
      part.onFrozen(() => this.cut('a silent coordinator'));
      part.enter(() => {
        this.#serverOpen = true;
        this.#connection = service.connect({
          send: (message) => this.#toClient(message),
          end: (error) => this.#endByServer(error),
        });
      });
    });
  }

  /** Cuts the connection; each end finds out in its own time. */
  cut(why: string): void {
    const { world } = this.network;
    if (!this.#clientOpen && !this.#serverOpen) return;
    world.counts.cuts++;
    world.log?.(`${this.client.name}: its stream is cut (${why})`);
    this.#loseBoth();
    const late = () => world.chance.network.spread(1, 3_000);
    world.clock.timer(late(), () => this.#tellClient('the connection was reset'));
    world.clock.timer(late(), () => this.#tellServer());
  }

  #toServer(message: AttachRequest): void {
    const { world } = this.network;
    if (!this.#clientOpen || !this.client.alive) return;
    world.log?.(`${this.client.name}: sends ${describe(message.message)}`);
    if (message.message?.$case === 'nack') {
      const { reason } = message.message.value;
      if (reason === Nack_Reason.DAMAGED && world.counts.damaged === 0) {
        world.violation(`${this.client.name} got damaged bytes that nobody damaged`);
      }
    }
    if (this.#maybeCut()) return;
    this.#up.send(this.network.delay(), () => {
      this.#server?.enter(() => {
        if (this.#serverOpen) this.#connection?.receive(message);
      });
    });
  }

  #toClient(message: AttachResponse): void {
    const { world, delay } = { world: this.network.world, delay: this.network.delay() };
    if (!this.#serverOpen || !this.#server?.alive) return;
    if (this.#maybeCut()) return;
    const { hostility } = world.scenario;
    const again = message.message?.$case === 'ready' && world.chance.network.happens(hostility.readyRepeated);
    for (let times = world.hostile && again ? 2 : 1; times > 0; times--) {
      this.#down.send(delay, () => {
        this.client.enter(() => {
          if (!this.#clientOpen) return;
          world.log?.(`${this.client.name}: hears ${describe(message.message)}`);
          this.handlers.message(message);
        });
      });
    }
  }

  #maybeCut(): boolean {
    const { world } = this.network;
    const cuts = world.chance.network.happens(world.scenario.hostility.streamCut);
    if (!world.hostile || !cuts) return false;
    this.cut('by the network');
    return true;
  }

  /** The trainer half-closes: what it sent before still arrives. */
  #closeClient(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.network.streams.delete(this);
    this.#up.send(this.network.delay(), () => this.#tellServer());
  }

  #endByServer(error: CropstreamError | undefined): void {
    if (!this.#serverOpen || !this.#server?.alive) return;
    this.#serverOpen = false;
    this.#end(error ? carried(error, TARGET) : null);
  }

  /** What was sent before the end still arrives. */
  #end(error: CropstreamError | null): void {
    this.#down.send(this.network.delay(), () => this.#tell(error));
  }

  #clientGone(): void {
    this.#clientOpen = false;
    this.network.streams.delete(this);
    this.#up.cut();
    this.network.world.clock.timer(this.#notice(), () => this.#tellServer());
  }

  #serverGone(): void {
    this.#serverOpen = false;
    this.#down.cut();
    this.network.world.clock.timer(this.#notice(), () => this.#tellClient('the connection was reset'));
  }

  /** A dead process's sockets are closed by its kernel at once; a dead machine's only by keepalive. */
  #notice(): number {
    const { world } = this.network;
    const machine = world.chance.network.happens(0.2);
    return machine ? world.scenario.keepAliveMs : this.network.delay();
  }

  #loseBoth(): void {
    this.#up.cut();
    this.#down.cut();
    this.network.streams.delete(this);
  }

  #tellClient(reason: string): void {
    this.#tell(unreachable(TARGET, reason));
  }

  #tell(error: CropstreamError | null): void {
    this.client.enter(() => {
      if (!this.#clientOpen) return;
      this.#clientOpen = false;
      this.network.streams.delete(this);
      this.handlers.ended(error);
    });
  }

  #tellServer(): void {
    this.#server?.enter(() => {
      if (!this.#connection) return;
      this.#serverOpen = false;
      this.#connection.disconnect();
    });
  }
}

function describe(message: AttachRequest['message'] | AttachResponse['message']): string {
  switch (message?.$case) {
    case 'ready': {
      const { chunk, attempt, location } = message.value;
      return `ready ${chunk?.epoch}-${chunk?.first}-${chunk?.last} ${attempt} at ${location?.workerId}`;
    }
    case 'waiting': {
      const { chunk, attempt, workerId } = message.value;
      return `waiting ${chunk?.epoch}-${chunk?.first}-${chunk?.last} ${attempt} ${workerId}`;
    }
    case 'progress':
      return `progress ${message.value.nextStep}, holds ${message.value.held.length}`;
    case 'attach':
      return `attach ${message.value.progress?.nextStep}, holds ${message.value.progress?.held.length}`;
    case 'nack': {
      const { chunk, attempt, workerId, reason } = message.value;
      return `nack ${chunk?.epoch}-${chunk?.first}-${chunk?.last} ${attempt} at ${workerId}: ${Nack_Reason[reason]}`;
    }
    default:
      return message?.$case ?? 'nothing';
  }
}
