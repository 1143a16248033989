/** Time and randomness that tests hold in their hands. Nothing that runs in a service may import it. */
export { SeededRandomness } from './seeded-randomness.js';
export { VirtualClock } from './virtual-clock.js';
