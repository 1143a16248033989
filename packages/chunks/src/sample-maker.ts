import { checkBytes, isBadSample, prepareSource, type Source, type Stage } from '@cropstream/augment';
import type { Manifest, Sample, SampleReader } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { sampleOf } from '@cropstream/schedule';
import { decodeLimits, decodeOptions, type ResolvedSpec } from '@cropstream/spec';
import type { ImageBatch, ImageOutcome } from './compute-pool.js';
import type { Row } from './layout.js';
import type { SharedParts } from './shared-parts.js';
import { type Attempt, type BadSample, withStandIn } from './stand-in.js';
import type { TimelineRecorder } from './timeline.js';

/** One bad sample of a chunk and what stands in for it. */
export interface Substitution extends BadSample {
  readonly row: number;
  readonly deliveredIndex: number;
}

export interface DeliveredSample {
  readonly row: Row;
  /** uint32[views]: CRC-32 of each view as it lies in the payload. */
  readonly checksums: Uint32Array;
  readonly substitution: Substitution | null;
  /** Milliseconds a stage, its bad predecessors' included. */
  readonly timings: Readonly<Record<Stage, number>>;
}

interface Made {
  readonly sample: Sample;
  readonly outcome: ImageOutcome;
}

/** Brings samples from storage to a row of a chunk: reads ahead within bounds, decodes, substitutes. */
export class SampleMaker {
  constructor(
    readonly spec: ResolvedSpec,
    readonly manifest: Manifest,
    private readonly reader: SampleReader,
    private readonly shared: SharedParts,
  ) {}

  /** Makes a draw's sample, or its stand-in, into a row of the batch's payload. */
  async make(
    batch: ImageBatch,
    row: number,
    draw: number,
    signal: AbortSignal,
    timeline: TimelineRecorder,
  ): Promise<DeliveredSample> {
    const timings = { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 };
    const { epoch } = batch;
    const { sampleId, value, standsFor } = await withStandIn(this, { epoch, draw }, (tried) =>
      this.#attempt(batch, row, tried, signal, { timings, timeline }),
    );
    const { label, fields } = value.sample;
    return {
      row: { index: sampleId, label, fields, params: value.outcome.params },
      checksums: value.outcome.checksums,
      substitution: standsFor && { row, ...standsFor, deliveredIndex: sampleId },
      timings,
    };
  }

  async #attempt(
    batch: ImageBatch,
    row: number,
    draw: number,
    signal: AbortSignal,
    { timings, timeline }: { timings: Record<Stage, number>; timeline: TimelineRecorder },
  ): Promise<Attempt<Made>> {
    const { samples, encoded } = this.shared.budgets;
    const sampleId = sampleOf(draw);
    let leave = () => {};
    let free = () => {};
    let clear = () => {};
    try {
      const bytes = await this.reader.size(sampleId, signal);
      // Before it is read or waited for: a file of many gigabytes is refused by its size alone.
      checkBytes(this.manifest.pathOf(sampleId), bytes, decodeLimits(this.spec));
      leave = await samples.take(1);
      free = await encoded.take(bytes);
      if (signal.aborted) throw failure('CANCELLED', { what: 'making a sample' });
      const sample = await timeline.during('read', this.reader.read(sampleId, signal));
      const { source, release } = await this.#source(sample, timings);
      clear = release;
      if (signal.aborted) throw failure('CANCELLED', { what: 'making a sample' });
      const image = { row, draw, path: sample.path, source };
      const outcome = await timeline.during('compute', this.shared.pool.run(batch, image));
      for (const stage of Object.keys(timings) as Stage[]) timings[stage] += outcome.timings[stage];
      return outcome.bad === null ? { value: { sample, outcome }, bad: null } : { bad: outcome.bad };
    } catch (error) {
      if (isBadSample(error)) return { bad: error.toWire() };
      throw error;
    } finally {
      clear();
      free();
      leave();
    }
  }

  /** The sample as compute threads take it, and what to call when they have it no more. */
  async #source(
    sample: Sample,
    timings: Record<Stage, number>,
  ): Promise<{ source: Source; release: () => void }> {
    const { pool, budgets, decodeElsewhere } = this.shared;
    const limits = decodeLimits(this.spec);
    const options = decodeOptions(this.spec, sample.path);
    let release = () => {};
    const decodes = (bytes: Uint8Array, path: string) => pool.decodes(bytes, path);
    try {
      const source = await prepareSource(sample, decodes, limits, async (bytes, { width, height }) => {
        release = await budgets.decoded.take(4 * width * height);
        const turn = await budgets.elsewhere.take(1);
        const start = performance.now();
        try {
          return await decodeElsewhere(bytes, limits, options);
        } finally {
          timings.decode += performance.now() - start;
          turn();
        }
      });
      return { source, release };
    } catch (error) {
      release();
      throw error;
    }
  }
}
