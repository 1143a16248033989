import type { Normalization } from '@cropstream/kernels';
import type { TransformEntry, TransformRegistry } from '../transforms/registry.js';
import type { ResolvedTransform } from '../transforms/transform.js';
import { invalid } from '../validation.js';

interface ChainInput {
  /** Fields that stand for a leading random_resized_crop. */
  readonly crop: Readonly<Record<string, unknown>>;
  readonly transforms: readonly TransformEntry[];
  /** Where the view stands in its spec. */
  readonly field: string;
}

interface ChainContext {
  readonly registry: TransformRegistry;
  readonly normalization: Normalization;
}

/** What may fix a view's size. */
const GEOMETRIES = ['random_resized_crop', 'resize', 'center_crop', 'resize center_crop'];

/** A view's transforms with every field filled in, and the rules of a chain checked. */
export function resolveChain(
  { crop, transforms, field }: ChainInput,
  context: ChainContext,
): ResolvedTransform[] {
  const { registry } = context;
  const chain: { transform: ResolvedTransform; at: string }[] = [];
  if (Object.keys(crop).length > 0) {
    if (crop.size === undefined) throw invalid(`${field}.size`, undefined, 'the size of the view in pixels');
    chain.push({ transform: registry.resolve({ random_resized_crop: crop }, field, context), at: field });
  }
  transforms.forEach((entry, index) => {
    const at = `${field}.transforms[${index}]`;
    chain.push({ transform: registry.resolve(entry, at, context), at });
  });
  checkOrder(chain, field, registry);
  const resolved = chain.map(({ transform }) => transform);
  const size = outputSize(resolved, registry);
  if (size === undefined) {
    const { transform, at } = chain[0]!;
    throw invalid(
      `${at}.${transform.name}.size`,
      transform.size,
      '[height, width], or a center_crop after it: all crops of a view have one size',
    );
  }
  for (const { transform, at } of chain) {
    const problem = registry.get(transform.name, at).checkSize?.(transform, size);
    if (problem)
      throw invalid(`${at}.${transform.name}.${problem.field}`, transform[problem.field], problem.allowed);
  }
  return resolved;
}

function checkOrder(
  chain: readonly { transform: ResolvedTransform; at: string }[],
  field: string,
  registry: TransformRegistry,
): void {
  const seen = new Set<string>();
  const places = chain.map(({ transform, at }) => registry.get(transform.name, at).place);
  chain.forEach(({ transform, at }, index) => {
    const place = places[index];
    if (seen.has(transform.name)) throw invalid(at, transform.name, 'each transform at most once in a view');
    seen.add(transform.name);
    if (place === 'geometry' && places.slice(0, index).some((before) => before !== 'geometry')) {
      throw invalid(at, transform.name, 'geometry first: crops and resizes stand before all else');
    }
    if (place === 'final' && index !== chain.length - 1) {
      throw invalid(at, transform.name, `nothing after ${transform.name}: it packs the view`);
    }
  });
  const geometry = chain
    .filter((_, index) => places[index] === 'geometry')
    .map(({ transform }) => transform.name);
  if (geometry.length === 0) {
    throw invalid(
      `${field}.size`,
      undefined,
      'a size, or transforms that begin with random_resized_crop, resize or center_crop',
    );
  }
  if (!GEOMETRIES.includes(geometry.join(' '))) {
    throw invalid(`${field}.transforms`, geometry, `one geometry: ${GEOMETRIES.join(', or ')}`);
  }
}

/** [height, width] of a chain's crops; undefined where they would differ from image to image. */
export function outputSize(
  chain: readonly ResolvedTransform[],
  registry: TransformRegistry,
): readonly [number, number] | undefined {
  let size: readonly [number, number] | undefined;
  for (const transform of chain) {
    const known = registry.get(transform.name, 'transforms');
    if (known.place === 'geometry') size = known.outputSize?.(transform);
  }
  return size;
}
