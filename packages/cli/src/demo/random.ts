import { philox4x32, randomKey } from '@cropstream/schedule';

/** The random numbers of one drawn image: the same for the same seed and number, on every machine. */
export class Brush {
  readonly #key: readonly [number, number];
  readonly #image: number;
  #draw = 0;

  constructor(seed: number, image: number) {
    this.#key = randomKey('augment', seed, 0);
    this.#image = image;
  }

  /** In [lo, hi). */
  real(lo = 0, hi = 1): number {
    const [word] = philox4x32(this.#key, [this.#draw++, this.#image, 0, 0]);
    return lo + ((hi - lo) * word) / 2 ** 32;
  }

  /** An integer in [lo, hi]. */
  whole(lo: number, hi: number): number {
    return Math.floor(this.real(lo, hi + 1));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.whole(0, items.length - 1)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  chance(p: number): boolean {
    return this.real() < p;
  }

  /** A CSS colour: hue in degrees, saturation and lightness in percent, each jittered a little. */
  colour(hue: number, saturation: number, lightness: number, spread = 8): string {
    const h = (hue + this.real(-spread, spread) + 360) % 360;
    const s = Math.min(100, Math.max(0, saturation + this.real(-spread, spread)));
    const l = Math.min(97, Math.max(4, lightness + this.real(-spread / 2, spread / 2)));
    return hsl(h, s, l);
  }
}

/** HSL as #rrggbb: not every SVG renderer reads hsl() alike. */
function hsl(hue: number, saturation: number, lightness: number): string {
  const l = lightness / 100;
  const chroma = (saturation / 100) * Math.min(l, 1 - l);
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12;
    const value = l - chroma * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(value * 255)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
