import { CropstreamError, failure } from '@cropstream/errors';
import type { Normalization } from '@cropstream/kernels';
import { checkViewKeys } from '../random/view-key.js';
import type { Recipe } from '../recipes/recipe.js';
import { entryName, type TransformEntry, type TransformRegistry } from '../transforms/registry.js';
import { invalid, nearest, parseField, together } from '../validation.js';
import { resolveChain } from './chain.js';
import {
  type ListedView,
  MAX_VIEWS,
  type ResolvedView,
  type ViewInput,
  type ViewsInput,
  viewsMapping,
} from './view.js';

/** A view on its way: the fields of all that was merged into it. */
interface Draft {
  readonly name: string;
  /** Where it was last written, for errors. */
  readonly field: string;
  readonly seed?: number | undefined;
  readonly copy?: number | undefined;
  readonly crop: Crop;
  readonly transforms: readonly TransformEntry[];
}

/** The fields of a view that stand for a leading random_resized_crop. */
type Crop = Pick<ViewInput, 'size' | 'scale' | 'ratio' | 'interpolation'>;

export interface ResolveContext {
  readonly registry: TransformRegistry;
  readonly normalization: Normalization;
}

/**
 * The views of a run, in order.
 *
 * A list, or the uniform form, is all the views there are. A mapping goes on top of the recipe's views, if
 * there is a recipe: an entry merges into the view of its name, or into every view of its group (`local` into
 * local_0, local_1, ...); an entry for a single view goes before one for its group; `null` removes; `count`
 * makes a group longer (the last view is repeated) or shorter; a new name adds a view.
 *
 * @param input as parsed by `viewsInput`
 * @throws SPEC_INVALID, LIMIT_EXCEEDED, TRANSFORM_UNKNOWN, VIEW_KEY_COLLISION
 */
export function resolveViews(
  input: ViewsInput | undefined,
  recipe: Recipe | null,
  context: ResolveContext,
): ResolvedView[] {
  const drafts = draftViews(input, recipe, context.registry);
  if (drafts.length === 0) throw invalid('views', {}, 'at least one view, or a recipe');
  if (drafts.length > MAX_VIEWS) {
    throw failure('LIMIT_EXCEEDED', { field: 'views', value: drafts.length, limit: MAX_VIEWS });
  }
  const views: ResolvedView[] = [];
  const errors: CropstreamError[] = [];
  for (const { name, field, seed, copy, crop, transforms } of drafts) {
    try {
      views.push({
        name,
        ...(seed !== undefined && { seed }),
        ...(seed !== undefined && copy !== undefined && { copy }),
        transforms: resolveChain({ crop, transforms, field }, context),
      });
    } catch (error) {
      if (!(error instanceof CropstreamError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw together(errors);
  checkViewKeys(views);
  return views;
}

function draftViews(
  input: ViewsInput | undefined,
  recipe: Recipe | null,
  registry: TransformRegistry,
): Draft[] {
  if (Array.isArray(input)) return listed(input, registry);
  if (input !== undefined && typeof input.num_crops === 'number') {
    const { num_crops, ...view } = input;
    return expand('view', { ...view, count: num_crops } as ViewInput, 'views', registry);
  }
  const base = recipe === null ? [] : mapped(parseField(viewsMapping, recipe.views), [], registry);
  return input === undefined ? base : mapped(input as Record<string, ViewInput | null>, base, registry);
}

function listed(views: readonly ListedView[], registry: TransformRegistry): Draft[] {
  const names = new Set<string>();
  return views.map((view, index) => {
    const name = view.name ?? `view_${index}`;
    if (names.has(name)) throw invalid(`views[${index}].name`, name, 'a name that no other view has');
    names.add(name);
    const empty: Draft = { name, field: '', crop: {}, transforms: [] };
    return { ...merge(empty, view, `views[${index}]`, registry), copy: view.copy };
  });
}

function mapped(
  input: Readonly<Record<string, ViewInput | null>>,
  base: readonly Draft[],
  registry: TransformRegistry,
): Draft[] {
  const groups = new Set(base.map(({ name }) => groupOf(name)));
  for (const [name, view] of Object.entries(input)) if (view?.count !== undefined) groups.add(name);
  const single = (name: string) => {
    const group = groupOf(name);
    return group !== undefined && groups.has(group);
  };
  const entries = Object.entries(input);
  const ordered = [...entries.filter(([name]) => !single(name)), ...entries.filter(([name]) => single(name))];
  let drafts = [...base];
  for (const [name, view] of ordered) drafts = override(drafts, name, view, registry);
  return drafts;
}

/** `drafts` with one entry of a mapping put on top. */
function override(
  drafts: readonly Draft[],
  name: string,
  view: ViewInput | null,
  registry: TransformRegistry,
): Draft[] {
  const field = `views.${name}`;
  const concerned = drafts.filter((draft) => draft.name === name || groupOf(draft.name) === name);
  const first = concerned[0];
  if (first === undefined) {
    if (view === null) throw invalid(field, null, removable(drafts));
    checkNewView(name, view, drafts, registry);
    return [...drafts, ...expand(name, view, field, registry)];
  }
  const replaced = view === null ? [] : regroup(concerned, name, view, field, registry);
  const at = drafts.indexOf(first);
  const others = (part: readonly Draft[]) => part.filter((draft) => !concerned.includes(draft));
  return [...others(drafts.slice(0, at)), ...replaced, ...others(drafts.slice(at))];
}

function removable(drafts: readonly Draft[]): string {
  if (drafts.length === 0) return "a view's fields: there is no recipe to remove one from";
  return `a view to remove: ${drafts.map(({ name }) => name).join(', ')}`;
}

/** A new view beside the recipe's that has no size is most likely one of theirs, misspelt. */
function checkNewView(
  name: string,
  view: ViewInput,
  drafts: readonly Draft[],
  registry: TransformRegistry,
): void {
  const field = `views.${name}`;
  if (view.size !== undefined || fixGeometry(view.transforms ?? [], field, registry)) return;
  const known = drafts.flatMap((draft) => [groupOf(draft.name) ?? draft.name, draft.name]);
  if (known.length === 0) return;
  const meant = nearest(name, [...new Set(known)]);
  throw invalid(`${field}.size`, undefined, `the size of a new view in pixels; or, as the name, ${meant}`);
}

/** The views of a group, or a single view, with an entry merged into each and `count` honoured. */
function regroup(
  concerned: readonly Draft[],
  name: string,
  view: ViewInput,
  field: string,
  registry: TransformRegistry,
): Draft[] {
  const merged = concerned.map((draft) => merge(draft, view, field, registry));
  const isGroup = merged.every((draft) => draft.name !== name);
  const last = merged.at(-1)!;
  const group: Draft[] =
    view.count === undefined
      ? merged
      : Array.from({ length: view.count }, (_, index) => {
          const own = isGroup ? merged[index] : undefined;
          // A repeated view takes its number into its stream: it must not be its model's twin.
          return own ?? { ...last, name: `${name}_${index}`, copy: index };
        });
  // One seed over a group gives each view its own stream, numbered.
  const numbered = view.seed !== undefined && (isGroup || view.count !== undefined);
  return numbered ? group.map((draft, index) => ({ ...draft, copy: index })) : group;
}

function expand(name: string, view: ViewInput, field: string, registry: TransformRegistry): Draft[] {
  const draft = merge({ name, field, crop: {}, transforms: [] }, view, field, registry);
  if (view.count === undefined) return [draft];
  return Array.from({ length: view.count }, (_, index) => ({
    ...draft,
    name: `${name}_${index}`,
    copy: index,
  }));
}

/** `draft` with the fields of one entry on top; a chain with its own geometry takes the place of the crop. */
function merge(
  draft: Draft,
  view: ViewInput | ListedView,
  field: string,
  registry: TransformRegistry,
): Draft {
  const crop: Crop = Object.fromEntries(
    CROP_FIELDS.filter((key) => view[key] !== undefined).map((key) => [key, view[key]]),
  );
  const given = Object.keys(crop)[0];
  const transforms = view.transforms ?? draft.transforms;
  const ownGeometry = fixGeometry(transforms, field, registry);
  if (ownGeometry && given !== undefined) {
    throw invalid(
      `${field}.${given}`,
      asWritten(view[given as keyof Crop]),
      'no size, scale, ratio or interpolation beside transforms that fix the geometry themselves; write them there',
    );
  }
  return {
    ...draft,
    field,
    ...(view.seed !== undefined && { seed: view.seed, copy: undefined }),
    crop: ownGeometry ? {} : { ...draft.crop, ...crop },
    transforms,
  };
}

function fixGeometry(
  transforms: readonly TransformEntry[],
  field: string,
  registry: TransformRegistry,
): boolean {
  return transforms.some((entry, index) => {
    const at = `${field}.transforms[${index}]`;
    return registry.get(entryName(entry, at), at).place === 'geometry';
  });
}

/** A square's size is parsed to a pair, and written as one number. */
function asWritten(value: unknown): unknown {
  return Array.isArray(value) && value.length === 2 && value[0] === value[1] ? value[0] : value;
}

const CROP_FIELDS = ['size', 'scale', 'ratio', 'interpolation'] as const;

/** `local` of `local_3`; undefined for names without a number. */
function groupOf(name: string): string | undefined {
  return /^(.+)_\d+$/.exec(name)?.[1];
}
