/**
 * The broker (a queue of chunk jobs) and the store (what coordinators and workers know in common): their
 * interfaces, their in-process adapters, and the contract tests that every adapter passes. No scheduling
 * decisions live here, and no pixels pass through.
 */
export { type Broker, LOOK_AHEAD, MAX_PASSED, type QueueCounts } from './broker.js';
export { MemoryBroker, type MemoryBrokerOptions } from './memory/memory-broker.js';
export { MemoryStore, type MemoryStoreOptions } from './memory/memory-store.js';
export {
  type ChunkSpan,
  chunkName,
  jobId,
  parseChunkName,
  parseRunKey,
  runKeyOf,
  WAKE_ADMISSION,
  WAKE_COORDINATORS,
} from './names.js';
export type * from './records.js';
export { AFFINITIES, MADE_RUNS, NOTHING_MADE, REPORTS_KEPT } from './records.js';
export { CLOSED_MS, type Store } from './store.js';
export { connectBroker, exposeBroker } from './threads/broker-port.js';
export { connectStore, exposeStore } from './threads/store-port.js';
