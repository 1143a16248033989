import {
  type CompiledView,
  compileViews,
  type TransformRegistry,
  type ViewParams,
} from '@cropstream/augment';
import type { ResolvedSpec } from '@cropstream/spec';
import type { Darkroom } from '../darkroom.js';
import { boxOf } from './preview-sheet.js';
import { type Cell, type Sheet, type SheetRow, viewColour } from './sheet.js';

/** Parameter keys that fix a view's geometry: they stay in every step. */
const GEOMETRY = new Set(['box', 'size', 'resize', 'interpolation', 'center_crop']);

const TITLES: Readonly<Record<string, string>> = { color_jitter: 'colour jitter', blur: 'Gaussian blur' };

const SHORT: Readonly<Record<string, string>> = { color_jitter: 'jitter', grayscale: 'gray' };

const round = (value: unknown) =>
  typeof value === 'number' ? String(Math.round(value * 100) / 100) : String(value);

/** What a step did, in a few characters. */
function caption(key: string, value: unknown): string {
  if (key === 'color_jitter') {
    const { brightness, contrast, saturation, hue } = value as NonNullable<ViewParams['color_jitter']>;
    return Object.entries({ b: brightness, c: contrast, s: saturation, h: hue })
      .filter(([, factor]) => factor !== null)
      .map(([name, factor]) => `${name} ${round(factor)}`)
      .join(' ');
  }
  if (key === 'blur') return `sigma ${round((value as NonNullable<ViewParams['blur']>).sigma)}`;
  if (key === 'solarize') return `from ${round(value)} on`;
  return key === 'flip' || key === 'grayscale' ? 'applied' : JSON.stringify(value);
}

/**
 * The view with the longest chain of steps beside its geometry: the one that shows most.
 * @param name of a view, to choose another
 */
export function effectsView(spec: ResolvedSpec, name?: string): ResolvedSpec['views'][number] | undefined {
  if (name !== undefined) return spec.views.find((view) => view.name === name);
  return spec.views.reduce((best, view) => (view.transforms.length > best.transforms.length ? view : best));
}

/** The same view with every step sure to happen; its draws stay the same, as each has its own slot. */
export function certain(
  view: ResolvedSpec['views'][number],
  spec: ResolvedSpec,
  registry: TransformRegistry,
): CompiledView {
  const transforms = view.transforms.map((transform) =>
    'p' in transform ? { ...transform, p: 1 } : transform,
  );
  return compileViews([{ ...view, transforms }], spec.output, registry)[0]!;
}

/** The steps that happened beside the geometry, by the keys of their parameters. */
const stepsOf = (params: ViewParams) =>
  Object.keys(params).filter((key) => !GEOMETRY.has(key) && params[key] !== null && params[key] !== false);

/** `params` with all but some steps left out. */
function only(params: ViewParams, steps: readonly string[]): ViewParams {
  return Object.fromEntries(
    Object.entries(params).filter(([key]) => GEOMETRY.has(key) || steps.includes(key)),
  );
}

/**
 * One row of the effects sheet, of the sample that is loaded: the source, the crop, the crop with each single
 * step (drawn to happen), and the view as the trainer gets it.
 */
export function effectsRow(
  darkroom: Darkroom,
  views: { readonly real: CompiledView; readonly certain: CompiledView },
  label: { label: string; details: readonly string[] },
  at: { epoch: number; sampleId: number },
): SheetRow {
  const drawn = darkroom.sample(views.certain, at);
  const real = darkroom.develop(views.real, at);
  const source = darkroom.source();
  const box = boxOf(drawn, source);
  const outlines = box === undefined ? [] : [{ box, colour: viewColour(0) }];
  const print = (params: ViewParams) => darkroom.print(views.certain, params);
  const cells: Cell[] = [
    { image: source, outlines, caption: `${source.width} × ${source.height}` },
    {
      image: print(only(drawn, [])),
      caption: box === undefined ? '' : `${Math.round(box[2])} × ${Math.round(box[3])} resized`,
    },
    ...stepsOf(drawn).map((key) => ({ image: print(only(drawn, [key])), caption: caption(key, drawn[key]) })),
    { image: real.image, caption: applied(real.params) },
  ];
  return { ...label, zoom: 'fit', cells };
}

function applied(params: ViewParams): string {
  const happened = stepsOf(params).map((key) => SHORT[key] ?? key);
  return happened.length === 0 ? 'the crop alone' : happened.join(', ');
}

export function effectsSheet(
  darkroom: Darkroom,
  view: CompiledView,
  at: { epoch: number; sampleId: number },
  rows: readonly SheetRow[],
  text: { title: string; subtitle: readonly string[] },
): Sheet {
  const steps = stepsOf(darkroom.sample(view, at));
  const heads = ['source', 'crop', ...steps.map((key) => TITLES[key] ?? key), 'as delivered'];
  const about = ['', 'and resize', ...steps.map(() => 'alone'), 'the whole chain'];
  return { ...text, columns: heads.map((head, i) => [head, about[i] ?? '']), columnWidth: 184, rows };
}
