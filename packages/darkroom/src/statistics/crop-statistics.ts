import type { CompiledView, ViewParams } from '@cropstream/augment';
import type { ResolvedSpec } from '@cropstream/spec';
import type { SizeCount } from './expected.js';

/** Where values were observed: `counts[i]` of them, parts included, in [lo + i * step, lo + (i + 1) * step). */
export interface Histogram {
  readonly lo: number;
  readonly hi: number;
  readonly counts: readonly number[];
  readonly total: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** Views whose crops are drawn from the same ranges, put together. */
export interface CropGroup {
  readonly views: readonly string[];
  /** Configured: share of the area, width over height. Null where a view crops without chance. */
  readonly scale: readonly [number, number] | null;
  readonly ratio: readonly [number, number] | null;
  readonly observed: {
    readonly scale: Histogram;
    readonly ratio: Histogram;
    readonly x: Histogram;
    readonly y: Histogram;
  } | null;
}

/** How often a step happened, beside its probability. */
export interface StepRate {
  readonly view: string;
  readonly step: string;
  readonly configured: number;
  readonly observed: number;
}

export interface CropStatistics {
  readonly groups: readonly CropGroup[];
  /** Sizes of the images that boxes were drawn in. */
  readonly sizes: readonly SizeCount[];
  readonly rates: readonly StepRate[];
}

const BINS = 32;

/**
 * Observed values. Boxes are of whole pixels: each value is counted evenly over the interval that was rounded to
 * it, or a small image would give combs.
 */
class Values {
  readonly #values: { readonly value: number; readonly from: number; readonly to: number }[] = [];

  add(value: number, from: number, to: number): void {
    this.#values.push({ value, from, to });
  }

  histogram(lo: number, hi: number): Histogram {
    const counts = new Array<number>(BINS).fill(0);
    const step = (hi - lo) / BINS;
    let sum = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const { value, from, to } of this.#values) {
      const first = Math.max(0, Math.floor((from - lo) / step));
      const last = Math.min(BINS - 1, Math.floor((to - lo) / step));
      for (let bin = first; bin <= last; bin++) {
        const overlap = Math.min(to, lo + (bin + 1) * step) - Math.max(from, lo + bin * step);
        counts[bin] = (counts[bin] ?? 0) + Math.max(0, overlap) / (to - from);
      }
      sum += value;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
    const total = this.#values.length;
    return total === 0
      ? { lo, hi, counts, total, mean: 0, min: 0, max: 0 }
      : { lo, hi, counts, total, mean: sum / total, min, max };
  }
}

type Range = readonly [number, number];

interface Gathered {
  readonly views: string[];
  readonly scaleRange: Range | null;
  readonly ratioRange: Range | null;
  readonly scale: Values;
  readonly ratio: Values;
  readonly x: Values;
  readonly y: Values;
}

const range = (value: unknown): Range | null =>
  Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'number'
    ? [value[0], value[1]]
    : null;

/** A chain's step names to the keys of their parameters. */
const KEYS: Readonly<Record<string, string>> = { horizontal_flip: 'flip', gaussian_blur: 'blur' };

/** Gathers what was drawn, a view of a sample at a time; boxes only, no pixels. */
export class CropStatisticsCollector {
  readonly #spec: ResolvedSpec;
  readonly #groups = new Map<string, Gathered>();
  readonly #groupOf = new Map<string, Gathered>();
  readonly #happened = new Map<string, number>();
  readonly #sizes = new Map<string, SizeCount>();
  #samples = 0;

  constructor(spec: ResolvedSpec) {
    this.#spec = spec;
    for (const view of spec.views) {
      const geometry = view.transforms[0];
      const key = JSON.stringify(geometry);
      const group = this.#groups.get(key) ?? {
        views: [],
        scaleRange: range(geometry?.scale),
        ratioRange: range(geometry?.ratio),
        scale: new Values(),
        ratio: new Values(),
        x: new Values(),
        y: new Values(),
      };
      group.views.push(view.name);
      this.#groups.set(key, group);
      this.#groupOf.set(view.name, group);
    }
  }

  /** One sample, with all its views' parameters in the spec's order. */
  add(
    source: { width: number; height: number },
    views: readonly CompiledView[],
    params: readonly ViewParams[],
  ): void {
    this.#samples++;
    const { width, height } = source;
    const size = `${width} ${height}`;
    this.#sizes.set(size, { width, height, count: (this.#sizes.get(size)?.count ?? 0) + 1 });
    views.forEach(({ name }, i) => {
      const drawn = params[i];
      if (drawn === undefined) return;
      this.#addBox(name, source, drawn);
      for (const [key, value] of Object.entries(drawn)) {
        if (value === null || value === false) continue;
        const id = `${name}/${key}`;
        this.#happened.set(id, (this.#happened.get(id) ?? 0) + 1);
      }
    });
  }

  #addBox(view: string, source: { width: number; height: number }, { box }: ViewParams): void {
    const group = this.#groupOf.get(view);
    if (group === undefined || box === undefined) return;
    const [x, y, width, height] = box;
    const area = source.width * source.height;
    const half = 0.5;
    group.scale.add(
      (width * height) / area,
      ((width - half) * (height - half)) / area,
      ((width + half) * (height + half)) / area,
    );
    group.ratio.add(width / height, (width - half) / (height + half), (width + half) / (height - half));
    const place = (offset: number, room: number, values: Values) => {
      const places = room + 1;
      values.add((offset + half) / places, offset / places, (offset + 1) / places);
    };
    place(x, source.width - width, group.x);
    place(y, source.height - height, group.y);
  }

  finish(): CropStatistics {
    const groups = [...this.#groups.values()].map((group): CropGroup => {
      const { views, scaleRange, ratioRange } = group;
      const observed =
        scaleRange === null || ratioRange === null
          ? null
          : {
              scale: group.scale.histogram(...widened(scaleRange, 0.04, 0, 1.04)),
              ratio: group.ratio.histogram(...widened(ratioRange, 0.06, 0, Number.POSITIVE_INFINITY)),
              x: group.x.histogram(0, 1),
              y: group.y.histogram(0, 1),
            };
      return { views, scale: scaleRange, ratio: ratioRange, observed };
    });
    const rates = this.#spec.views.flatMap((view) =>
      view.transforms.flatMap((transform): StepRate[] => {
        if (typeof transform.p !== 'number') return [];
        const key = KEYS[transform.name] ?? transform.name;
        const observed = (this.#happened.get(`${view.name}/${key}`) ?? 0) / Math.max(1, this.#samples);
        return [{ view: view.name, step: transform.name, configured: transform.p, observed }];
      }),
    );
    return { groups, rates, sizes: [...this.#sizes.values()] };
  }
}

/** A range with some room on both sides, so that what lies outside would show. */
function widened([lo, hi]: Range, share: number, least: number, most: number): [number, number] {
  const room = (hi - lo) * share + 0.01;
  return [Math.max(least, lo - room), Math.min(most, hi + room)];
}

/** "global_0, global_1" or "local_0 … local_7". */
export function namesOf(views: readonly string[]): string {
  const first = views[0] ?? '';
  const last = views.at(-1) ?? '';
  return views.length > 3 ? `${first} … ${last}` : views.join(', ');
}
