import { randomUUID } from 'node:crypto';

/** Chance as the code sees it, injected like the clock. Never for samples: those are drawn from the run's seed. */
export interface Randomness {
  /** A fresh identity: letters, digits and hyphens. */
  id(): string;
  /** Uniform in [0, 1): for jitter of retries. */
  uniform(): number;
}

export const systemRandomness: Randomness = {
  id: () => randomUUID(),
  uniform: () => Math.random(),
};
