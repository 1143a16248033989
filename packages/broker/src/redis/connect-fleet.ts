import type { Broker } from '../broker.js';
import type { Store } from '../store.js';
import { BullmqBroker } from './bullmq-broker.js';
import type { RedisOptions } from './link.js';
import { RedisStore } from './redis-store.js';

/** Store and broker of one fleet. */
export interface FleetConnection {
  readonly store: Store;
  readonly broker: Broker;
  /** Whether Redis can be asked now. */
  isReady(): boolean;
  close(): Promise<void>;
}

/** @throws STORE_UNAVAILABLE where Redis does not answer within `connectMs` */
export async function connectFleet(options: RedisOptions): Promise<FleetConnection> {
  const store = await RedisStore.open(options);
  try {
    const broker = await BullmqBroker.open(options);
    return {
      store,
      broker,
      isReady: () => store.isReady,
      async close() {
        await broker.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
