import { Draws, Stream } from '../random/stream.js';
import { BUILT_IN, type TransformRegistry } from '../transforms/registry.js';
import type { ImageSize } from '../transforms/transform.js';
import type { ViewParams } from './params.js';
import type { ResolvedView } from './view.js';

const SOURCE_COLUMNS = ['source_width', 'source_height'];
const withColumns = BUILT_IN.filter((transform) => transform.row !== undefined);

/**
 * The columns of the parameter tensor float32[B, columns] that can ride beside a view. NaN stands for a transform
 * that was not applied; flip and grayscale are 0 or 1.
 *
 * box_x, box_y, box_width, box_height: the crop in source pixels, of `random_resized_crop` (the other geometries
 * follow from the source's size alone); source_width, source_height; flip; jitter_0 to jitter_3: the factors in
 * the order applied (0 brightness, 1 contrast, 2 saturation, 3 hue); brightness, contrast, saturation, hue;
 * grayscale; blur_sigma; solarize_threshold.
 */
export const PARAM_COLUMNS: readonly string[] = withColumns.flatMap((transform, index) => [
  ...transform.row!.columns,
  ...(index === 0 ? SOURCE_COLUMNS : []),
]);

const columnOf = new Map(PARAM_COLUMNS.map((name, index) => [name, index]));

/** Writes one row; `target` has PARAM_COLUMNS.length elements from `offset` on. */
export function paramsToRow(
  params: ViewParams,
  source: ImageSize,
  target: Float32Array,
  offset: number,
): void {
  target.fill(Number.NaN, offset, offset + PARAM_COLUMNS.length);
  const write = (columns: readonly string[], values: readonly (number | null)[]) => {
    values.forEach((value, index) => {
      if (value !== null) target[offset + columnOf.get(columns[index]!)!] = value;
    });
  };
  write(SOURCE_COLUMNS, [source.width, source.height]);
  for (const { row } of withColumns) write(row!.columns, row!.write(params));
}

/**
 * The parameters that a row came from, given the view it belongs to. Decisions of third-party transforms are not in
 * rows; for a view that has any, draw its parameters again with `CompiledView.sample`.
 */
export function rowToParams(
  view: ResolvedView,
  registry: TransformRegistry,
  row: Float32Array,
  offset = 0,
): { params: ViewParams; source: ImageSize } {
  const read = (columns: readonly string[]) =>
    columns.map((name) => {
      const value = row[offset + columnOf.get(name)!]!;
      return Number.isNaN(value) ? null : value;
    });
  const [width, height] = read(SOURCE_COLUMNS);
  const source: ImageSize = { width: width ?? 0, height: height ?? 0 };
  const params: Record<string, unknown> = {};
  let image = source;
  for (const options of view.transforms) {
    const transform = registry.get(options.name, view.name);
    if (transform.row !== undefined) {
      Object.assign(params, transform.row.read(options, read(transform.row.columns)));
    } else if (transform.place === 'geometry') {
      const decided = transform.sample(options, UNUSED_DRAWS, image);
      if (decided.resize !== undefined) image = { width: decided.resize[0], height: decided.resize[1] };
      Object.assign(params, decided);
    }
  }
  return { params: Object.assign(params, registry.absentFrom(view.transforms)), source };
}

/** For geometries that draw nothing. */
const UNUSED_DRAWS = new Draws(new Stream([0, 0], 0, 0), 0);
