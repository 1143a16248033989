import { randomUUID } from 'node:crypto';
import { brokerContract, storeContract } from '@cropstream/broker/contract';
import { BullmqBroker, RedisStore } from '@cropstream/broker/redis';
import { describe } from 'vitest';

const url = process.env.REDIS_URL ?? '';
const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('BullmqBroker', () => {
  brokerContract(async () => {
    const options = { url, prefix: `test-${randomUUID()}`, lockMs: 900 };
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

describe('RedisStore', () => {
  storeContract(async () => {
    const idleMs = 2_000;
    const store = await RedisStore.open({ url, prefix: `test-${randomUUID()}`, idleMs });
    return { store, idleMs, advance: pass, end: () => store.close() };
  });
});
