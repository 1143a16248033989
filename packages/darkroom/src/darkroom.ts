import {
  type CompiledView,
  checkBytes,
  compileViews,
  loadSource,
  prepareSource,
  readHeader,
  type SampleContent,
  SharpDecoder,
  type StageTimings,
  sampleFailure,
  ThreadDecoder,
  type TransformRegistry,
  type ViewParams,
} from '@cropstream/augment';
import type { Manifest, Sample, SampleReader } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { PixelKernels } from '@cropstream/kernels';
import { decodeLimits, decodeOptions, type ResolvedSpec } from '@cropstream/spec';
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
  #path = '';

  constructor(spec: ResolvedSpec, registry: TransformRegistry) {
    this.#spec = spec;
    this.views = compileViews(spec.views, spec.output, registry);
  }

  /**
   * Reads a sample of a dataset, unless its size alone refuses it.
   * @throws SAMPLE_OVER_LIMIT, SAMPLE_IO, DATASET_CHANGED; SPEC_INVALID for a sample that there is not
   */
  async read({ manifest, reader }: OpenDataset, id: number, signal?: AbortSignal): Promise<Sample> {
    if (id >= manifest.length) {
      throw failure('SPEC_INVALID', {
        field: '--index',
        value: id,
        allowed: `a sample below ${manifest.length}`,
      });
    }
    this.checkBytes(manifest.pathOf(id), await reader.size(id, signal));
    return reader.read(id, signal);
  }

  /** @throws SAMPLE_OVER_LIMIT for a file of more bytes than the spec allows */
  checkBytes(path: string, bytes: number): void {
    checkBytes(path, bytes, decodeLimits(this.#spec));
  }

  /**
   * Decodes a sample and makes it the one that is worked on.
   * @returns its size after EXIF rotation, if the spec wants that, and its orientation (1 is upright)
   */
  async load(sample: SampleContent): Promise<SourceFacts> {
    const limits = decodeLimits(this.#spec);
    const options = decodeOptions(this.#spec, sample.path);
    const decodes = (bytes: Uint8Array, path: string) => this.#decoder.decodes(bytes, path);
    const source = await prepareSource(sample, decodes, limits, (bytes) =>
      this.#sharp.decode(bytes, limits, options),
    );
    loadSource(source, this.#kernels, this.#decoder, limits, options);
    this.#path = sample.path;
    return {
      width: this.#kernels.sourceWidth,
      height: this.#kernels.sourceHeight,
      orientation: sample.encoded ? readHeader(sample.encoded, sample.path).orientation : 1,
    };
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
    try {
      view.apply(this.#kernels, params, timings);
    } catch (error) {
      throw sampleFailure(error, this.#path);
    }
    return this.#kernels.readPixels();
  }
}

/** A dataset that samples are read from. */
export interface OpenDataset {
  readonly manifest: Manifest;
  readonly reader: SampleReader;
}

export interface SourceFacts {
  readonly width: number;
  readonly height: number;
  /** EXIF's, 1 to 8. */
  readonly orientation: number;
}
