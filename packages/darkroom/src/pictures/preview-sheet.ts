import type { CompiledView, ViewParams } from '@cropstream/augment';
import type { ResolvedSpec } from '@cropstream/spec';
import type { Darkroom } from '../darkroom.js';
import { type Cell, type Outline, type Rgb, type Sheet, type SheetRow, viewColour } from './sheet.js';

/** One image in one epoch, with its views made. */
export interface PreviewColumn {
  readonly head: readonly string[];
  readonly source: Rgb;
  readonly views: readonly { readonly params: ViewParams; readonly image: Rgb }[];
}

/** Makes a column of the sample that is loaded. */
export function previewColumn(
  darkroom: Darkroom,
  head: readonly string[],
  at: { epoch: number; sampleId: number },
): PreviewColumn {
  const views = darkroom.views.map((view) => darkroom.develop(view, at));
  return { head, source: darkroom.source(), views };
}

const COLUMN = 224;

/** Small views are enlarged by a whole number, all by the same, so that their proportions stay true. */
function zoomOf(views: readonly CompiledView[]): number {
  const widest = Math.max(...views.map((view) => sizeOf(view).width));
  return widest > COLUMN ? COLUMN / widest : Math.max(1, Math.floor(160 / widest));
}

export function sizeOf(view: CompiledView): { width: number; height: number } {
  const [a, b, c] = view.shape;
  return view.layout === 'nchw' ? { height: b, width: c } : { height: a, width: b };
}

/** "224 × 224, float32" */
export function describeSize(view: CompiledView): string {
  const { width, height } = sizeOf(view);
  return `${width} × ${height} ${view.dtype}`;
}

/** What a view's crop may be: "scale 0.4 to 1". */
export function describeCrop(spec: ResolvedSpec, view: CompiledView): string[] {
  const [first] = spec.views.find((candidate) => candidate.name === view.name)?.transforms ?? [];
  const scale = first?.scale;
  return Array.isArray(scale) ? [`scale ${scale[0]} to ${scale[1]}`] : [];
}

/** Which part of the source a view shows, where that is one box of source pixels. */
export function boxOf(
  params: ViewParams,
  source: { width: number; height: number },
): Outline['box'] | undefined {
  if (params.box !== undefined) return params.box;
  const [x, y, width, height] = params.center_crop ?? [];
  if (x === undefined || y === undefined || width === undefined || height === undefined) return undefined;
  const [resizedWidth, resizedHeight] = params.resize ?? [source.width, source.height];
  const across = source.width / resizedWidth;
  const down = source.height / resizedHeight;
  return [x * across, y * down, width * across, height * down];
}

/** The contact sheet: the sources with their boxes on top, then a row a view. */
export function previewSheet(
  darkroom: Darkroom,
  spec: ResolvedSpec,
  columns: readonly PreviewColumn[],
  text: { title: string; subtitle: readonly string[] },
): Sheet {
  const zoom = zoomOf(darkroom.views);
  const sources: SheetRow = {
    label: 'source',
    details: ['with the boxes', 'of all views'],
    zoom: 'fit',
    cells: columns.map(({ source, views }): Cell => {
      const outlines = views.flatMap(({ params }, i): Outline[] => {
        const box = boxOf(params, source);
        return box === undefined ? [] : [{ box, colour: viewColour(i) }];
      });
      return { image: source, outlines, caption: `${source.width} × ${source.height}` };
    }),
  };
  const rows = darkroom.views.map(
    (view, i): SheetRow => ({
      label: view.name,
      details: [describeSize(view), ...describeCrop(spec, view)],
      colour: viewColour(i),
      zoom,
      cells: columns.map(({ views }) => views[i] && { image: views[i].image }),
    }),
  );
  return { ...text, columns: columns.map(({ head }) => head), columnWidth: COLUMN, rows: [sources, ...rows] };
}
