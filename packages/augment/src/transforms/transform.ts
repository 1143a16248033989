import type { Normalization, PixelKernels } from '@cropstream/kernels';
import type { z } from 'zod';
import type { Draws } from '../random/stream.js';
import type { ViewParams } from '../views/params.js';
import type { Stage } from '../views/timings.js';

/** A transform of a chain with every field filled in: JSON, and part of the run digest. */
export interface ResolvedTransform {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** Width and height in pixels, before the transform at hand. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * One transform: all that Cropstream knows of it. `O` is its resolved form, `I` its fields as parsed, where
 * they differ.
 *
 * `sample` decides from random numbers alone and returns what it adds to the view's parameters; `apply` does
 * what the parameters say and decides nothing. So parameters from JSON give the same pixels again.
 */
export interface Transform<O extends ResolvedTransform = ResolvedTransform, I = Omit<O, 'name'>> {
  readonly name: string;
  /** Of third-party transforms: part of the run digest. */
  readonly version?: string;
  /** Geometric ones stand first in a chain and fix the view's size; `final` ones end it. */
  readonly place: 'geometry' | 'pixels' | 'final';
  readonly stage: Stage;
  /** The key of its decision in ViewParams; null when it decides nothing. */
  readonly key: string | null;
  /** Its fields as users write them, without `name`, defaults filled in. */
  readonly schema: z.ZodType<I>;
  /** A field that may be given alone: `center_crop: 224`. */
  readonly scalar?: string;
  /** Fills what depends on the run. */
  complete?(fields: I, run: { readonly normalization: Normalization }): Omit<O, 'name'>;
  /** [height, width] after it, where its fields fix them. */
  outputSize?(options: O): readonly [number, number] | undefined;
  /** A field that the output size rules out, with what is allowed. */
  checkSize?(options: O, size: readonly [number, number]): { field: string; allowed: string } | undefined;
  readonly row?: ParamRow<O>;
  /** What the parameters of a view without it say, so that readers find every usual key. */
  readonly absent?: Partial<ViewParams>;
  sample(options: O, draws: Draws, image: ImageSize): Partial<ViewParams>;
  apply(kernels: PixelKernels, params: ViewParams): void;
}

/** How a transform's decision stands in the parameter tensor: null where it has nothing to say. */
export interface ParamRow<O> {
  readonly columns: readonly string[];
  /** A value a column. */
  write(params: ViewParams): readonly (number | null)[];
  /** What `sample` had returned. */
  read(options: O, values: readonly (number | null)[]): Partial<ViewParams>;
}

/** float32, so that parameters survive tensors unchanged. */
export const float32 = Math.fround;

/** To the nearest integer, halves to even: Python's round(). */
export function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest < 0.5) return below;
  if (rest > 0.5) return below + 1;
  return below % 2 === 0 ? below : below + 1;
}
