import type { Dtype, Layout, Normalization, PixelKernels } from '@cropstream/kernels';
import { randomKey } from '@cropstream/schedule';
import { Draws, Stream } from '../random/stream.js';
import { viewKey } from '../random/view-key.js';
import { TransformRegistry } from '../transforms/registry.js';
import type { ImageSize, ResolvedTransform, Transform } from '../transforms/transform.js';
import { applyParams } from './apply.js';
import { outputSize } from './chain.js';
import type { ViewParams } from './params.js';
import type { StageTimings } from './timings.js';
import type { ResolvedView } from './view.js';

/** Which sample is drawn, when, and how large its image is. */
export interface SampleAddress {
  /** The run's seed, in [0, 2^53). */
  readonly seed: number;
  readonly epoch: number;
  /** In [0, 2^53): its number in the dataset, not its place in a batch; or another draw of it (see the schedule package). */
  readonly sampleId: number;
  /** Of the decoded image, in pixels. */
  readonly width: number;
  readonly height: number;
}

const BYTES: Readonly<Record<Dtype, number>> = { uint8: 1, float16: 2, bfloat16: 2, float32: 4 };

/** A view that is ready to be sampled, applied and packed; it holds no image and no state that matters. */
export class CompiledView {
  readonly name: string;
  readonly layout: Layout;
  readonly dtype: Dtype;
  /** Of one sample: [3, H, W] under nchw, [H, W, 3] under nhwc. */
  readonly shape: readonly [number, number, number];
  readonly bytesPerSample: number;
  readonly #chain: readonly { readonly options: ResolvedTransform; readonly transform: Transform }[];
  readonly #registry: TransformRegistry;
  readonly #viewKey: number;
  readonly #absent: Partial<ViewParams>;
  readonly #format: { dtype: Dtype; layout: Layout; normalization?: Normalization };
  #key: { seed: number; epoch: number; words: readonly [number, number] } | undefined;

  /** @param view resolved by the same registry */
  constructor(view: ResolvedView, layout: Layout, registry: TransformRegistry) {
    this.name = view.name;
    this.layout = layout;
    this.#registry = registry;
    this.#viewKey = viewKey(view);
    this.#absent = registry.absentFrom(view.transforms);
    this.#chain = view.transforms.map((options) => ({
      options,
      transform: registry.get(options.name, view.name),
    }));
    const [height, width] = outputSize(view.transforms, registry)!;
    const normalize = view.transforms.find((transform) => transform.name === 'normalize');
    this.dtype = (normalize?.dtype as Dtype | undefined) ?? 'uint8';
    this.shape = layout === 'nchw' ? [3, height, width] : [height, width, 3];
    this.bytesPerSample = 3 * height * width * BYTES[this.dtype];
    this.#format = {
      dtype: this.dtype,
      layout,
      ...(normalize !== undefined && {
        normalization: { mean: normalize.mean, std: normalize.std } as unknown as Normalization,
      }),
    };
  }

  /** Decides: a pure function of the address. */
  sample({ seed, epoch, sampleId, width, height }: SampleAddress): ViewParams {
    if (this.#key?.seed !== seed || this.#key.epoch !== epoch) {
      this.#key = { seed, epoch, words: randomKey('augment', seed, epoch) };
    }
    const stream = new Stream(this.#key.words, sampleId, this.#viewKey);
    const params: Record<string, unknown> = {};
    let image: ImageSize = { width, height };
    this.#chain.forEach(({ options, transform }, position) => {
      const decided = transform.sample(options, new Draws(stream, position), image);
      Object.assign(params, decided);
      // What a later transform meets: center_crop after resize needs the resized image's size.
      if (decided.resize !== undefined) image = { width: decided.resize[0], height: decided.resize[1] };
    });
    return Object.assign(params, this.#absent);
  }

  /** Makes the view from the source loaded in `kernels`; times go to `timings` by stage. */
  apply(kernels: PixelKernels, params: ViewParams, timings?: StageTimings): void {
    applyParams(kernels, params, this.#registry, timings);
  }

  /** Writes the view that was applied last as one sample of a batch's tensor; returns the bytes written. */
  pack(kernels: PixelKernels, target: Uint8Array, offset: number): number {
    return kernels.pack(target, offset, this.#format);
  }
}

/** @param output nchw is [3, H, W], nhwc is [H, W, 3] */
export function compileViews(
  views: readonly ResolvedView[],
  output: { readonly layout: Layout },
  transforms: TransformRegistry = new TransformRegistry(),
): CompiledView[] {
  return views.map((view) => new CompiledView(view, output.layout, transforms));
}
