/**
 * Broker and store of a fleet, on BullMQ and Redis. Behind a path of its own, so that trainers and the embedded mode
 * never load a Redis client. The keys, the scripts and what an outage does are in docs/redis.md.
 */
export { BullmqBroker, type BullmqBrokerOptions } from './bullmq-broker.js';
export { connectFleet, type FleetConnection } from './connect-fleet.js';
export type { RedisLog, RedisOptions } from './link.js';
export { RedisStore, type RedisStoreOptions } from './redis-store.js';
