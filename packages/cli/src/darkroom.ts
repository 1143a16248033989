import {
  type CompiledView,
  compileViews,
  loadRawInto,
  readHeader,
  SharpDecoder,
  type StageTimings,
  ThreadDecoder,
  type TransformRegistry,
  type ViewParams,
} from '@cropstream/augment';
import { PixelKernels } from '@cropstream/kernels';
import type { ResolvedSpec } from '@cropstream/spec';
import type { Rgb } from './pictures/sheet.js';

export interface Developed {
  readonly params: ViewParams;
  /** As it is before `normalize`, if the view has one. */
  readonly image: Rgb;
}

/**
 * Samples made one at a time on this thread, to look at: the same decoders, kernels and views as the workers',
 * hence the same pixels.
 */
export class Darkroom {
  readonly views: readonly CompiledView[];
  readonly #spec: ResolvedSpec;
  readonly #kernels = PixelKernels.create();
  readonly #decoder = new ThreadDecoder();
  readonly #sharp = new SharpDecoder();

  constructor(spec: ResolvedSpec, registry: TransformRegistry) {
    this.#spec = spec;
    this.views = compileViews(spec.views, spec.output, registry);
  }

  /**
   * Decodes a sample and makes it the one that is worked on.
   * @returns its size after EXIF rotation, if the spec wants that, and its orientation (1 is upright)
   */
  async load(sample: LoadableSample): Promise<Source> {
    let orientation = 1;
    if (sample.encoded !== undefined) {
      orientation = await this.#decode(sample.encoded, sample.path);
    } else if (sample.pixels !== undefined) {
      const { width, height, data } = sample.pixels;
      const room = this.#kernels.allocateSource(width, height);
      for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
        room.set(data.subarray(from, from + 3), to);
        room[to + 3] = 255;
      }
    }
    return { width: this.#kernels.sourceWidth, height: this.#kernels.sourceHeight, orientation };
  }

  async #decode(bytes: Uint8Array, path: string): Promise<number> {
    const { max_pixels: maxPixels, max_bytes: maxBytes } = this.#spec.limits;
    const limits = { maxPixels, maxBytes };
    const options = { applyExif: this.#spec.exif_rotation, path };
    const { orientation } = readHeader(bytes, path);
    if (this.#decoder.decodes(bytes, path)) {
      this.#decoder.decodeInto(bytes, this.#kernels, limits, options);
    } else {
      loadRawInto(await this.#sharp.decode(bytes, limits, options), this.#kernels);
    }
    return orientation;
  }

  /** The loaded source itself. */
  source(): Rgb {
    this.#kernels.begin();
    return this.#kernels.readPixels();
  }

  /** One view of the loaded sample, with the parameters that are its own in that epoch. */
  develop(view: CompiledView, at: { epoch: number; sampleId: number }): Developed {
    const params = this.sample(view, at);
    return { params, image: this.print(view, params) };
  }

  sample(view: CompiledView, at: { epoch: number; sampleId: number }): ViewParams {
    const { sourceWidth: width, sourceHeight: height } = this.#kernels;
    return view.sample({ seed: this.#spec.seed, ...at, width, height });
  }

  /** A view with given parameters, its own or others. */
  print(view: CompiledView, params: ViewParams, timings?: StageTimings): Rgb {
    view.apply(this.#kernels, params, timings);
    return this.#kernels.readPixels();
  }
}

/** What is needed of a dataset's Sample: a file's bytes, or RGB pixels. */
export interface LoadableSample {
  readonly encoded?: Uint8Array;
  readonly pixels?: Rgb;
  readonly path: string;
}

export interface Source {
  readonly width: number;
  readonly height: number;
  /** EXIF's, 1 to 8. */
  readonly orientation: number;
}
