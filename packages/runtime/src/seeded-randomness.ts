import type { Randomness } from './randomness.js';

/** The same ids and numbers for the same seed, by splitmix32: for tests and simulations. */
export class SeededRandomness implements Randomness {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  id(): string {
    return Array.from({ length: 3 }, () => this.#word().toString(16).padStart(8, '0')).join('');
  }

  uniform(): number {
    return this.#word() / 2 ** 32;
  }

  #word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }
}
