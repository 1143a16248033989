import { type Arena, aligned, Region } from './arena.js';

/** An image in linear memory: three planes of tightly packed rows, `plane` bytes apart. */
export interface Planes {
  readonly address: number;
  readonly plane: number;
  readonly width: number;
  readonly height: number;
}

/** The two images that operations write in turns. */
export class PlanePair {
  readonly #regions: readonly [Region, Region];
  #current = 0;

  constructor(arena: Arena) {
    this.#regions = [new Region(arena), new Region(arena)];
  }

  /** The image that is not the working one, with room for this size; what it held is lost. */
  other(width: number, height: number): Planes {
    // A row's last store may run 15 bytes past the plane.
    const plane = aligned(width * height + 15);
    return { address: this.#regions[1 - this.#current]!.reserve(3 * plane), plane, width, height };
  }

  /** The other image becomes the working one. */
  swap(): void {
    this.#current = 1 - this.#current;
  }
}
