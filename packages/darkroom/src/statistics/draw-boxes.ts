import {
  checkBytes,
  compileViews,
  drafted,
  isBadSample,
  readHeader,
  type TransformRegistry,
} from '@cropstream/augment';
import { factsOf } from '@cropstream/datasets';
import { sampleOf } from '@cropstream/schedule';
import { decodeLimits, orderOf, type ResolvedSpec } from '@cropstream/spec';
import type { OpenDataset } from '../darkroom.js';
import { type CropStatistics, CropStatisticsCollector } from './crop-statistics.js';

export interface DrawBoxesOptions {
  readonly spec: ResolvedSpec;
  readonly registry: TransformRegistry;
  readonly dataset: OpenDataset;
  /** Samples to draw; over several epochs where the dataset has fewer. */
  readonly images: number;
  readonly signal: AbortSignal;
  /** Told how many samples were looked at so far. @default nobody is */
  readonly report?: (looked: number) => void;
}

export interface DrawnBoxes {
  readonly statistics: CropStatistics;
  readonly drawn: number;
  /** Draws that fell on files that are no images. */
  readonly bad: number;
  /** Samples that were looked at. */
  readonly files: number;
}

/** Enough of a file for its header; more is read where that did not do. */
const HEAD_BYTES = 64 * 1024;

/** Draws the boxes and decisions of the first samples of a run, from image headers alone. */
export async function drawBoxes(options: DrawBoxesOptions): Promise<DrawnBoxes> {
  const { spec, registry, dataset, images, signal, report } = options;
  const views = compileViews(spec.views, spec.output, registry);
  const facts = factsOf(dataset.manifest);
  const collector = new CropStatisticsCollector(spec);
  const sizes = new Map<number, { width: number; height: number } | null>();
  let drawn = 0;
  let bad = 0;
  for (let epoch = 0; drawn + bad < images; epoch++) {
    const order = orderOf(spec, facts, epoch);
    for (let position = 0; position < order.length && drawn + bad < images; position++) {
      signal.throwIfAborted();
      const draw = order.at(position);
      const id = sampleOf(draw);
      const known = sizes.get(id);
      const size = known === undefined ? await sizeOf(dataset, id, spec, signal) : known;
      sizes.set(id, size);
      if (size === null) {
        bad++;
        continue;
      }
      const params = views.map((view) => view.sample({ seed: spec.seed, epoch, sampleId: draw, ...size }));
      collector.add(size, views, params);
      drawn++;
      report?.(drawn + bad);
    }
  }
  return { statistics: collector.finish(), drawn, bad, files: sizes.size };
}

/** Width and height that boxes are drawn in, or null for a bad file. */
async function sizeOf(
  { manifest, reader }: OpenDataset,
  id: number,
  spec: ResolvedSpec,
  signal: AbortSignal,
): Promise<{ width: number; height: number } | null> {
  const oriented = (bytes: Uint8Array) => {
    const header = readHeader(bytes);
    const { width, height } = drafted(header, spec.draft);
    const turned = spec.exif_rotation && header.orientation >= 5;
    return turned ? { width: height, height: width } : { width, height };
  };
  try {
    const head = await reader.head(id, HEAD_BYTES, signal);
    if (head !== null) {
      try {
        return oriented(head);
      } catch (error) {
        if (head.length < HEAD_BYTES) throw error;
      }
    }
    checkBytes(manifest.pathOf(id), await reader.size(id, signal), decodeLimits(spec));
    const { encoded, pixels } = await reader.read(id, signal);
    if (pixels !== undefined) return { width: pixels.width, height: pixels.height };
    return encoded === undefined ? null : oriented(encoded);
  } catch (error) {
    if (isBadSample(error)) return null;
    throw error;
  }
}
