/** Any batch of a run again, from its spec and manifest alone. */
export { encodeNpy } from './npy.js';
export { encodeNpz } from './npz.js';
export { type ReplayedRun, replayBatch } from './replay-batch.js';
