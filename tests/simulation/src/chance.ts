import { SeededRandomness } from '@cropstream/runtime/testing';

/** Draws of one seeded stream. Each concern has a stream of its own, so that one more draw in one shifts no other. */
export class Chance {
  readonly #random: SeededRandomness;

  constructor(seed: number, stream: number) {
    this.#random = new SeededRandomness(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b));
    // Neighbouring seeds begin alike; a few words on they do not.
    for (let i = 0; i < 3; i++) this.#random.uniform();
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.#random.uniform();
  }

  /** True with this probability. Draws in any case. */
  happens(probability: number): boolean {
    return this.#random.uniform() < probability;
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.#random.uniform() * (high - low + 1));
  }

  /** A real number in [low, high), small ones as likely as large ones: uniform in its logarithm. */
  spread(low: number, high: number): number {
    return low * (high / low) ** this.#random.uniform();
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.uniform() * from.length)] as T;
  }

  /** A number that seeds another stream. */
  word(): number {
    return Math.floor(this.#random.uniform() * 2 ** 32);
  }
}
