/**
 * What every process needs and no domain owns: clock, configuration from the environment, logs, metrics,
 * shutdown. Nothing here knows of runs, chunks or pixels.
 */
export { type Clock, sleep, systemClock, type Timer } from './clock.js';
export { freePort } from './ports.js';
export { type Randomness, systemRandomness } from './randomness.js';
