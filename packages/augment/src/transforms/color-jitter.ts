import type { PixelKernels } from '@cropstream/kernels';
import { z } from 'zod';
import type { Draws } from '../random/stream.js';
import { interval, probability } from '../validation.js';
import type { ColorJitterParams, JitterFactor } from '../views/params.js';
import { float32, type Transform } from './transform.js';

type Range = [number, number];

export type ColorJitter = {
  name: 'color_jitter';
  p: number;
  /** Ranges of the factors; null leaves one out. */
  brightness: Range | null;
  contrast: Range | null;
  saturation: Range | null;
  /** In turns of the colour circle, within [-0.5, 0.5]. */
  hue: Range | null;
};

/** In the order of their numbers: 0 brightness, 1 contrast, 2 saturation, 3 hue. */
export const JITTER_FACTORS: readonly JitterFactor[] = ['brightness', 'contrast', 'saturation', 'hue'];

/** What a jitter without any factor named does: DINO's. */
const DINO_FACTORS = { brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 };

const MOST = 100;
const factor = z
  .union([z.number().min(0).max(MOST), interval(0, MOST)], { error: 'a number from 0, or [low, high]' })
  .nullable();
const hue = z
  .union([z.number().min(0).max(0.5), interval(-0.5, 0.5)], {
    error: 'a number in [0, 0.5], or [low, high] in [-0.5, 0.5]',
  })
  .nullable();

/** torchvision's scalar v: [max(0, 1 - v), 1 + v], hue [-v, v]; one that changes nothing is left out. */
function range(value: number | Range | null | undefined, center: number): Range | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'number') return value[0] === center && value[1] === center ? null : value;
  if (value === 0) return null;
  const low = center === 0 || center > value ? center - value : 0;
  return [low, center + value];
}

const schema = z
  .strictObject({
    p: probability.default(0.8),
    brightness: factor.optional(),
    contrast: factor.optional(),
    saturation: factor.optional(),
    hue: hue.optional(),
  })
  .transform(({ p, ...given }) => {
    const factors = Object.values(given).every((value) => value === undefined) ? DINO_FACTORS : given;
    return {
      p,
      brightness: range(factors.brightness, 1),
      contrast: range(factors.contrast, 1),
      saturation: range(factors.saturation, 1),
      hue: range(factors.hue, 0),
    };
  });

/** The permutation of [0, 1, 2, 3] of a rank in [0, 24), in lexicographic order. */
export function jitterOrder(rank: number): number[] {
  const left = [0, 1, 2, 3];
  const order: number[] = [];
  let rest = rank;
  for (const block of [6, 2, 1, 1]) {
    order.push(left.splice(Math.floor(rest / block), 1)[0]!);
    rest %= block;
  }
  return order;
}

function sampleFactor(draws: Draws, decision: number, bounds: Range | null): number | null {
  return bounds === null ? null : float32(draws.range(decision, bounds[0], bounds[1]));
}

function applyFactor(kernels: PixelKernels, jitter: ColorJitterParams, name: JitterFactor): void {
  const value = jitter[name];
  if (value !== null) kernels[name](value);
}

/** Decisions: 0 whether, 1 the order, 2 to 5 the four factors in their fixed order. */
export const colorJitter: Transform<ColorJitter> = {
  name: 'color_jitter',
  place: 'pixels',
  stage: 'color',
  key: 'color_jitter',
  schema,
  absent: { color_jitter: null },
  row: {
    columns: ['jitter_0', 'jitter_1', 'jitter_2', 'jitter_3', ...JITTER_FACTORS],
    write({ color_jitter: jitter }) {
      const order = [0, 1, 2, 3].map((index) => {
        const name = jitter?.order[index];
        return name === undefined ? null : JITTER_FACTORS.indexOf(name);
      });
      return [...order, ...JITTER_FACTORS.map((name) => jitter?.[name] ?? null)];
    },
    read(_options, values) {
      const order = values.slice(0, 4).flatMap((index) => (index === null ? [] : [JITTER_FACTORS[index]!]));
      if (order.length === 0) return { color_jitter: null };
      const [brightness = null, contrast = null, saturation = null, hue = null] = values.slice(4);
      return { color_jitter: { order, brightness, contrast, saturation, hue } };
    },
  },
  sample(options, draws) {
    if (!draws.chance(0, options.p)) return { color_jitter: null };
    const order = jitterOrder(draws.integer(1, 0, 23))
      .map((index) => JITTER_FACTORS[index]!)
      .filter((name) => options[name] !== null);
    return {
      color_jitter: {
        order,
        brightness: sampleFactor(draws, 2, options.brightness),
        contrast: sampleFactor(draws, 3, options.contrast),
        saturation: sampleFactor(draws, 4, options.saturation),
        hue: sampleFactor(draws, 5, options.hue),
      },
    };
  },
  apply(kernels, { color_jitter }) {
    if (!color_jitter) return;
    for (const name of color_jitter.order) applyFactor(kernels, color_jitter, name);
  },
};
