/**
 * The contract tests that every adapter of Broker and Store passes, as functions to call in a vitest file. Needs vitest
 * and fast-check; nothing that runs in a service may import it.
 */
export { type BrokerUnderTest, brokerContract, exampleJob } from './broker-contract.js';
export {
  exampleAttachment,
  exampleReady,
  exampleRun,
  exampleWorker,
  type StoreUnderTest,
} from './examples.js';
export { storeContract } from './store-contract.js';
