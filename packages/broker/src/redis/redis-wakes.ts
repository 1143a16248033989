import type { Keys } from './keys.js';
import type { RedisClient, RedisLink } from './link.js';

/** Hints by publish and subscribe: those sent while a listener is not connected are lost, as hints may be. */
export class RedisWakes {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #waking = new Map<string, Promise<void>>();
  #subscriber: RedisClient | null = null;

  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
  ) {}

  /** Wakes of one topic that are called in one turn are one. */
  wake(topic: string): Promise<void> {
    const channel = this.keys.wake(topic);
    let waking = this.#waking.get(channel);
    if (waking === undefined) {
      waking = Promise.resolve().then(async () => {
        this.#waking.delete(channel);
        await this.link.call((client) => client.publish(channel, ''));
      });
      this.#waking.set(channel, waking);
    }
    return waking;
  }

  on(topic: string, listener: () => void): () => void {
    const channel = this.keys.wake(topic);
    const listeners = this.#listeners.get(channel) ?? new Set();
    if (listeners.size === 0) this.#subscribe(channel, listeners);
    // A listener of its own for each call: the same function may listen twice.
    const own = () => listener();
    listeners.add(own);
    return () => {
      if (!listeners.delete(own) || listeners.size > 0) return;
      this.#listeners.delete(channel);
      this.#subscriber?.unsubscribe(channel).catch(() => undefined);
    };
  }

  close(): void {
    this.#listeners.clear();
  }

  #subscribe(channel: string, listeners: Set<() => void>): void {
    this.#listeners.set(channel, listeners);
    this.#subscriber ??= this.#connect();
    // It is queued through outages, and ioredis subscribes again after each.
    this.#subscriber.subscribe(channel).catch(() => undefined);
  }

  #connect(): RedisClient {
    const subscriber = this.link.listening();
    subscriber.on('message', (channel: string) => this.#tell(channel));
    // What was said during an outage was not heard.
    subscriber.once('ready', () =>
      subscriber.on('ready', () => {
        for (const channel of this.#listeners.keys()) this.#tell(channel);
      }),
    );
    return subscriber;
  }

  #tell(channel: string): void {
    for (const listener of [...(this.#listeners.get(channel) ?? [])]) listener();
  }
}
