import type { RecipeView, Transform, ViewKnobs } from './transforms.js';
import { knobsOf } from './transforms.js';
import type { Yaml } from './yaml.js';

/** Everything that the form decides about a run. */
export interface Draft {
  readonly name: string;
  readonly source: string;
  readonly url: string;
  readonly recipe: string;
  readonly seed: number;
  /** Null: the service's default. */
  readonly globalBatchSize: number | null;
  readonly shuffle: 'full' | 'window' | 'none';
  readonly dropLast: boolean;
  readonly views: readonly ViewKnobs[];
}

export type Spec = { readonly [field: string]: Yaml };

/**
 * The spec of a draft: the recipe, and of the views only what differs from it. So it stays short, and says what was
 * decided.
 */
export function specOf(draft: Draft, recipeViews: readonly RecipeView[]): Spec {
  const views = overrides(draft.views, recipeViews);
  return {
    name: draft.name,
    dataset: { source: draft.source, url: draft.url },
    recipe: draft.recipe,
    seed: draft.seed,
    ...(draft.globalBatchSize !== null && { global_batch_size: draft.globalBatchSize }),
    ...(draft.shuffle !== 'full' && { shuffle: draft.shuffle }),
    ...(!draft.dropLast && { drop_last: false }),
    ...(Object.keys(views).length > 0 && { views }),
  };
}

function overrides(
  views: readonly ViewKnobs[],
  recipeViews: readonly RecipeView[],
): Record<string, Record<string, Yaml>> {
  const changed: Record<string, Record<string, Yaml>> = {};
  for (const [index, base] of knobsOf(recipeViews).entries()) {
    const view = views[index];
    if (view === undefined) continue;
    const entry = { ...cropFields(view, base), ...chainField(view, base, recipeViews) };
    if (Object.keys(entry).length > 0) changed[view.name] = entry;
  }
  return changed;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function cropFields(view: ViewKnobs, base: ViewKnobs): Record<string, Yaml> {
  const fields: Record<string, Yaml> = {};
  if (view.count !== null && view.count !== base.count) fields.count = view.count;
  if (view.crop === null || base.crop === null) return fields;
  for (const key of ['size', 'scale', 'ratio', 'interpolation'] as const) {
    if (!same(view.crop[key], base.crop[key])) fields[key] = view.crop[key];
  }
  return fields;
}

/** A chain is replaced as a whole: in the recipe's order, what it lacked behind, `normalize` last. */
function chainField(
  view: ViewKnobs,
  base: ViewKnobs,
  recipeViews: readonly RecipeView[],
): Record<string, Yaml> {
  const pixels = ({ flip, jitter, grayscale, blur, solarize }: ViewKnobs) =>
    [flip, jitter, grayscale, blur, solarize] as const;
  if (same(pixels(view), pixels(base))) return {};
  const model = recipeViews.find(({ name }) => name === base.name || name === `${base.name}_0`);
  const written = (model?.transforms ?? []).filter(({ name }) => name !== 'random_resized_crop');
  const names = written.map(({ name }) => name);
  const added = KNOWN.filter((name) => !names.includes(name));
  const last = names.indexOf('normalize');
  names.splice(last < 0 ? names.length : last, 0, ...added);
  const transforms = names.flatMap((name): Yaml[] => {
    const transform = written.find((other) => other.name === name);
    const fields = isKnown(name) ? knownFields(name, view, transform) : otherFields(transform);
    return fields === null ? [] : [{ [name]: fields }];
  });
  return { transforms };
}

const KNOWN = ['horizontal_flip', 'color_jitter', 'grayscale', 'gaussian_blur', 'solarize'] as const;
type Known = (typeof KNOWN)[number];
const isKnown = (name: string): name is Known => (KNOWN as readonly string[]).includes(name);

/** Null: its probability is 0. */
function knownFields(name: Known, view: ViewKnobs, was: Transform | undefined): Record<string, Yaml> | null {
  switch (name) {
    case 'horizontal_flip':
      return view.flip === 0 ? null : { p: view.flip };
    case 'grayscale':
      return view.grayscale === 0 ? null : { p: view.grayscale };
    case 'color_jitter':
      return view.jitter.p === 0 ? null : { ...view.jitter };
    case 'gaussian_blur': {
      if (view.blur.p === 0) return null;
      const kernel = typeof was?.kernel_size === 'number' ? { kernel_size: was.kernel_size } : {};
      const kind = was?.kind === 'torchvision' ? 'torchvision' : 'pillow';
      return { p: view.blur.p, kind, ...kernel, sigma: view.blur.sigma };
    }
    case 'solarize':
      return view.solarize.p === 0 ? null : { ...view.solarize };
  }
}

function otherFields(transform: Transform | undefined): Record<string, Yaml> {
  const { name: _, ...fields } = transform ?? { name: '' };
  return fields as Record<string, Yaml>;
}
