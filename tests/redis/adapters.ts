import { randomUUID } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { brokerContract, storeContract } from '@cropstream/broker/contract';
import { BullmqBroker, RedisStore } from '@cropstream/broker/redis';
import { describe } from 'vitest';

/** Both contracts over the Redis at `url()`, which may not be there before the tests run. */
export function contracts(url: () => string): void {
  // Time is real here and most tests wait for some of it: side by side they take a third as long.
  describe.concurrent('BullmqBroker', () => {
    brokerContract(async () => {
      const options = { url: url(), prefix: `test-${randomUUID()}`, lockMs: 1_500 };
      const broker = await BullmqBroker.open(options);
      const all = [broker];
      return {
        broker,
        lockMs: options.lockMs,
        async other() {
          const other = await BullmqBroker.open(options);
          all.push(other);
          return { broker: other, vanish: () => other.close() };
        },
        advance: pass,
        async end() {
          for (const each of all) await each.close();
        },
      };
    });
  });

  describe.concurrent('RedisStore', () => {
    storeContract(async () => {
      const idleMs = 3_000;
      const store = await RedisStore.open({ url: url(), prefix: `test-${randomUUID()}`, idleMs });
      return { store, idleMs, advance: pass, end: () => store.close() };
    });
  });
}
