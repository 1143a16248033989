/**
 * What is drawn when, by whom: random keys, the epoch's order, steps, ranks, chunks and cursors.
 * Pure arithmetic: the same arguments give the same answer on every machine, for ever.
 * No I/O, no state, no clock, no pixels here.
 */
export { cutChunks } from './chunk.js';
export {
  apportion,
  type DrawnPart,
  DrawOrder,
  type DrawOrderOptions,
  drawInstead,
  MAX_DRAWS_A_SAMPLE,
  sampleOf,
} from './draws.js';
export { mostReadBlock } from './locality.js';
export {
  EpochOrder,
  type EpochOrderOptions,
  type Order,
  type Shuffle,
  type ShuffleWindow,
  SubstituteOrder,
  type SubstituteOrderOptions,
} from './order.js';
export { MAX_LENGTH } from './permutation.js';
export {
  checkWorld,
  type EpochPlan,
  type EpochPlanOptions,
  epochPlan,
  globalStep,
  locate,
  type Range,
  rankRange,
  stepRange,
  type WorldMember,
} from './plan.js';
export { philox4x32, type RandomKey, type RandomTag, randomKey, type Words } from './random.js';
export { type WantedChunk, type Window, wantedChunks } from './wants.js';
