/** A transform of a resolved view: its name, and its fields with every default filled in. */
export type Transform = { readonly name: string } & Readonly<Record<string, unknown>>;

/** A view of a resolved recipe. */
export interface RecipeView {
  readonly name: string;
  readonly transforms: readonly Transform[];
}

export type Range = readonly [number, number];
export type Interpolation = 'bicubic' | 'bilinear';

/** torchvision's scalars; 0 leaves a factor out. */
export interface JitterKnobs {
  readonly p: number;
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  readonly hue: number;
}

export interface BlurKnobs {
  readonly p: number;
  readonly sigma: Range;
}

/** Views that are drawn alike, as the form shows them; a probability of 0 is a transform that is not there. */
export interface ViewKnobs {
  /** The entry under `views`: a view's name, or a group's. */
  readonly name: string;
  /** Null: one view, which is no group. */
  readonly count: number | null;
  /** Null where the recipe fixes the geometry otherwise (`eval`): then only `count` may change. */
  readonly crop: {
    /** A square's side in pixels. */
    readonly size: number;
    /** Share of the source's area. */
    readonly scale: Range;
    /** Width over height. */
    readonly ratio: Range;
    readonly interpolation: Interpolation;
  } | null;
  readonly flip: number;
  readonly jitter: JitterKnobs;
  readonly grayscale: number;
  readonly blur: BlurKnobs;
  readonly solarize: { readonly p: number; readonly threshold: number };
}

const round = (value: number): number => Number(value.toPrecision(6));
const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;
const rangeOr = (value: unknown, otherwise: Range): Range =>
  Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'number'
    ? [value[0], value[1]]
    : otherwise;

/** The scalar that stands for a factor's range around its centre. */
const scalarOf = (value: unknown, center: number): number =>
  value === null || value === undefined ? 0 : round(rangeOr(value, [center, center])[1] - center);

/** The group of `local_3` is `local`. */
const groupOf = (name: string): string | undefined => /^(.+)_\d+$/.exec(name)?.[1];

/**
 * A recipe's views as knobs: consecutive views of one group with equal chains stand together, as `local` for
 * local_0 … local_7.
 */
export function knobsOf(views: readonly RecipeView[]): ViewKnobs[] {
  const knobs: ViewKnobs[] = [];
  const sameChain = (a: RecipeView, b: RecipeView) =>
    JSON.stringify(a.transforms) === JSON.stringify(b.transforms);
  const members = (group: string) => views.filter(({ name }) => groupOf(name) === group);
  const done = new Set<string>();
  for (const view of views) {
    const group = groupOf(view.name);
    if (group === undefined) {
      knobs.push(knobsOfView(view, view.name, null));
      continue;
    }
    if (done.has(group)) continue;
    const alike = members(group);
    if (alike.length > 1 && alike.every((other) => sameChain(view, other))) {
      knobs.push(knobsOfView(view, group, alike.length));
      done.add(group);
    } else knobs.push(knobsOfView(view, view.name, null));
  }
  return knobs;
}

function knobsOfView({ transforms }: RecipeView, name: string, count: number | null): ViewKnobs {
  const find = (wanted: string) => transforms.find((transform) => transform.name === wanted);
  const crop = find('random_resized_crop');
  const jitter = find('color_jitter');
  const blur = find('gaussian_blur');
  const solarize = find('solarize');
  return {
    name,
    count,
    crop:
      crop === undefined
        ? null
        : {
            size: rangeOr(crop.size, [224, 224])[0],
            scale: rangeOr(crop.scale, [0.08, 1]),
            ratio: rangeOr(crop.ratio, [3 / 4, 4 / 3]),
            interpolation: crop.interpolation === 'bilinear' ? 'bilinear' : 'bicubic',
          },
    flip: numberOr(find('horizontal_flip')?.p, 0),
    jitter: {
      p: numberOr(jitter?.p, 0),
      brightness: scalarOf(jitter?.brightness, 1),
      contrast: scalarOf(jitter?.contrast, 1),
      saturation: scalarOf(jitter?.saturation, 1),
      hue: scalarOf(jitter?.hue, 0),
    },
    grayscale: numberOr(find('grayscale')?.p, 0),
    blur: { p: numberOr(blur?.p, 0), sigma: rangeOr(blur?.sigma, [0.1, 2]) },
    solarize: { p: numberOr(solarize?.p, 0), threshold: numberOr(solarize?.threshold, 128) },
  };
}
