import { randomUUID } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { BullmqBroker, RedisStore } from '@cropstream/broker/redis';
import { it } from 'vitest';
import { type RedisServer, startRedisServer } from '../../../scripts/redis.mjs';

/** A Redis of the test's own, to be killed at will. */
export interface OwnRedis {
  readonly server: RedisServer;
  readonly prefix: string;
  openStore(): Promise<RedisStore>;
  openBroker(): Promise<BullmqBroker>;
}

/** A test with a Redis, started with further arguments, and what it opens, that end with it. */
export function withServer(
  name: string,
  body: (own: OwnRedis) => Promise<void>,
  args: readonly string[] = [],
): void {
  it(name, async () => {
    const server = await startRedisServer({ args });
    const opened: { close(): Promise<void> }[] = [];
    const prefix = `test-${randomUUID()}`;
    const options = { url: server.url, prefix };
    const keep = <T extends { close(): Promise<void> }>(each: T) => {
      opened.push(each);
      return each;
    };
    try {
      await body({
        server,
        prefix,
        openStore: async () => keep(await RedisStore.open(options)),
        openBroker: async () => keep(await BullmqBroker.open({ ...options, lockMs: 900 })),
      });
    } finally {
      for (const each of opened) await each.close();
      await server.stop();
    }
  });
}

/** Tries again while Redis is away, as services do. */
export async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (let left = 200; ; left--) {
    try {
      return await call();
    } catch (error) {
      if (left === 0) throw error;
      await pass(25);
    }
  }
}
