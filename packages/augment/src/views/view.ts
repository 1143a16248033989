import { z } from 'zod';
import type { ViewIdentity } from '../random/view-key.js';
import { randomResizedCropFields } from '../transforms/random-resized-crop.js';
import type { ResolvedTransform } from '../transforms/transform.js';
import { limited, seedField } from '../validation.js';

/** The most views that a recipe may have. */
export const MAX_VIEWS = 64;

/** One named crop, every default filled in: JSON, canonical, part of the run digest. */
export interface ResolvedView extends ViewIdentity {
  /** Geometric ones first; `normalize`, if any, last. Each name once. */
  readonly transforms: readonly ResolvedTransform[];
}

const VIEW_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** Names of views; `_indices`, `labels` and the like belong to the batch. */
export const viewName = z
  .string()
  .regex(VIEW_NAME, { error: 'a name of letters, digits, _ . - that begins with a letter (64 at most)' })
  .refine((name) => name !== 'labels' && name !== 'path', {
    error: 'another name: `labels` and `path` are fields of a batch themselves',
  });

const transformEntry = z
  .union([z.string(), z.record(z.string(), z.unknown())], {
    error: "a transform's name, or a mapping of its name to its fields",
  })
  .meta({ id: 'transform' });

const { size, scale, ratio, interpolation } = randomResizedCropFields;

const fields = {
  seed: seedField.optional(),
  size: size.optional(),
  scale: scale.unwrap().optional(),
  ratio: ratio.unwrap().optional(),
  interpolation: interpolation.unwrap().optional(),
  transforms: z.array(transformEntry).optional(),
};

const count = limited(z.int().min(1), MAX_VIEWS);

/**
 * A view, or with `count` a group of them, as its user writes it. `size`, `scale`, `ratio` and `interpolation`
 * stand for a leading `random_resized_crop`.
 */
export const viewInput = z.strictObject({ ...fields, count: count.optional() });

/** An element of the list form, which is also how resolved views are written. */
export const listedView = z
  .strictObject({ name: viewName.optional(), copy: z.int().min(0).optional(), ...fields })
  .refine(({ seed, copy }) => copy === undefined || seed !== undefined, {
    path: ['copy'],
    error: 'a seed beside it: it numbers the views of one seed',
  });

/** slipstream's uniform form: `{ num_crops: 2, size: 224 }` is view_0 and view_1. */
export const uniformViews = z.strictObject({ num_crops: count, ...fields });

/** Views by name; `null` removes one of the recipe's. */
export const viewsMapping = z.record(viewName, viewInput.nullable());

export const viewsInput = z.union([z.array(listedView).min(1), uniformViews, viewsMapping]);

export type ViewInput = z.infer<typeof viewInput>;
export type ListedView = z.infer<typeof listedView>;
export type ViewsInput = z.infer<typeof viewsInput>;
