import type { Clock, Timer } from './clock.js';

/** A channel that was not asked for so long is closed. */
const IDLE_MS = 30_000;

/** Where a service is, and the name to verify it by; empty: its address. */
export interface Peer {
  readonly address: string;
  readonly tlsName: string;
}

interface Channel<C> {
  readonly client: C;
  calls: number;
  idle: Timer | null;
}

/** Clients of services that come and go: one each while it is used, closed when it was not for a while. */
export class ChannelPool<C extends { close(): void }> {
  readonly #channels = new Map<string, Channel<C>>();

  constructor(
    private readonly connect: (peer: Peer) => C,
    private readonly clock: Clock,
  ) {}

  /** The peer's client for one call; `release` says, once, that the call is over. */
  take(peer: Peer): { readonly client: C; release(): void } {
    const key = `${peer.address} ${peer.tlsName}`;
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = { client: this.connect(peer), calls: 0, idle: null };
      this.#channels.set(key, channel);
    }
    const taken = channel;
    taken.calls++;
    taken.idle?.cancel();
    taken.idle = null;
    return { client: taken.client, release: () => this.#release(key, taken) };
  }

  close(): void {
    for (const { client, idle } of this.#channels.values()) {
      idle?.cancel();
      client.close();
    }
    this.#channels.clear();
  }

  #release(key: string, channel: Channel<C>): void {
    channel.calls--;
    if (channel.calls > 0 || this.#channels.get(key) !== channel) return;
    channel.idle = this.clock.timer(IDLE_MS, () => {
      this.#channels.delete(key);
      channel.client.close();
    });
  }
}
