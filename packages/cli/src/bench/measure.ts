import type { Stage } from '@cropstream/augment';
import type { Manifest } from '@cropstream/datasets';
import type { ResolvedSpec } from '@cropstream/spec';
import type { Modules } from '../run-options.js';

export type StageTimes = Readonly<Record<Stage, number>>;

export interface Measurement {
  readonly images: number;
  /** Wall time. */
  readonly seconds: number;
  /** Milliseconds of all threads, summed. */
  readonly timings: StageTimes;
  readonly substituted: number;
  /** Samples that others stood in for: path to what is wrong with it. */
  readonly bad: ReadonlyMap<string, string>;
}

export interface MeasureOptions {
  readonly spec: ResolvedSpec;
  readonly manifest: Manifest;
  readonly modules: Modules;
  readonly threads: number;
  readonly decoder: 'auto' | 'turbojpeg' | 'sharp';
  /** Images to make; over several epochs where the dataset has fewer. */
  readonly images: number;
  readonly report?: (images: number) => void;
  readonly signal: AbortSignal;
}

/** Chunks in the making at a time: one that ends, one that fills the threads meanwhile. */
const IN_FLIGHT = 2;

/** Images made before the clock starts: threads load, engines compile, files come into the page cache. */
const WARM_UP_PER_THREAD = 24;

/** Makes chunks as a worker does, on as many threads, and throws them away. */
export async function measurePipeline(options: MeasureOptions): Promise<Measurement> {
  const [{ ChunkMaker }, { factsOf }, { cutChunks }, { orderOf, planOf }] = await Promise.all([
    import('@cropstream/chunks'),
    import('@cropstream/datasets'),
    import('@cropstream/schedule'),
    import('@cropstream/spec'),
  ]);
  const { spec, manifest, modules, threads, decoder, signal } = options;
  const maker = await ChunkMaker.create({ spec, manifest, ...modules, threads, decoder });
  const chunkSize = Math.min(spec.chunk_size, Math.max(1, Math.ceil(options.images / (2 * IN_FLIGHT))));
  const timings = { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 };
  let done = 0;
  let substituted = 0;
  const bad = new Map<string, string>();

  const makeImages = async (images: number, count: boolean) => {
    const facts = factsOf(manifest);
    const { samples: length } = planOf(spec, facts);
    const ranges = cutChunks({ first: 0, last: images }, chunkSize);
    const lane = async () => {
      for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
        signal.throwIfAborted();
        const { first, last } = range;
        const epoch = Math.floor(first / length);
        const order = orderOf(spec, facts, epoch);
        const indices = Array.from({ length: last - first }, (_, i) => order.at((first + i) % length));
        const chunk = await maker.make({ epoch, indices }, signal);
        chunk.release();
        if (!count) continue;
        for (const stage of Object.keys(timings) as Stage[]) timings[stage] += chunk.timings[stage];
        substituted += chunk.substitutions.length;
        for (const { path, reason } of chunk.substitutions) bad.set(path, reason);
        done += last - first;
        options.report?.(done);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  };

  try {
    await makeImages(Math.min(options.images, threads * WARM_UP_PER_THREAD), false);
    const began = performance.now();
    await makeImages(options.images, true);
    const seconds = (performance.now() - began) / 1000;
    return { images: done, seconds, timings, substituted, bad };
  } finally {
    await maker.close();
  }
}

/** The same run with nothing to make of an image but one pixel: what decoding alone allows. */
export function decodeOnly(spec: ResolvedSpec): ResolvedSpec {
  return { ...spec, views: [{ name: 'decode', transforms: [{ name: 'center_crop', size: [1, 1] }] }] };
}

/** Milliseconds an image in each stage, and in all. */
export function perImage({ timings, images }: Measurement) {
  const each = (ms: number) => ms / Math.max(1, images);
  const { decode, resize, color, blur, pack } = timings;
  return {
    decode: each(decode),
    resize: each(resize),
    color: each(color),
    blur: each(blur),
    pack: each(pack),
    total: each(decode + resize + color + blur + pack),
  };
}
