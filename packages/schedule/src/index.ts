/**
 * What is drawn when, by whom: random keys, the epoch's order, steps, ranks, chunks and cursors.
 * Pure arithmetic: the same arguments give the same answer on every machine, for ever.
 * No I/O, no state, no clock, no pixels here.
 */
export { philox4x32, type RandomKey, type RandomTag, randomKey, type Words } from './random.js';
