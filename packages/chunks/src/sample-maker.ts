import { checkBytes, isBadSample, prepareSource, type Source, type Stage } from '@cropstream/augment';
import type { Manifest, Sample, SampleReader } from '@cropstream/datasets';
import { CropstreamError, failure, type WireError } from '@cropstream/errors';
import { drawInstead, SubstituteOrder, sampleOf } from '@cropstream/schedule';
import { decodeLimits, type ResolvedSpec } from '@cropstream/spec';
import type { ImageBatch, ImageOutcome } from './compute-pool.js';
import type { Row } from './layout.js';
import type { SharedParts } from './shared-parts.js';

/** One bad sample of a chunk and what stands in for it. */
export interface Substitution {
  readonly row: number;
  readonly originalIndex: number;
  readonly deliveredIndex: number;
  /** Of the bad sample. */
  readonly path: string;
  /** Its error's code: SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT. */
  readonly code: string;
  readonly reason: string;
}

export interface DeliveredSample {
  readonly row: Row;
  readonly substitution: Substitution | null;
  /** Milliseconds a stage, its bad predecessors' included. */
  readonly timings: Readonly<Record<Stage, number>>;
}

type Attempt =
  | { readonly sample: Sample; readonly outcome: ImageOutcome; readonly bad: null }
  | { readonly bad: WireError };

/** Brings samples from storage to a row of a chunk: reads ahead within bounds, decodes, substitutes. */
export class SampleMaker {
  constructor(
    private readonly spec: ResolvedSpec,
    private readonly manifest: Manifest,
    private readonly reader: SampleReader,
    private readonly shared: SharedParts,
  ) {}

  /** Makes a draw's sample, or its stand-in, into a row of the batch's payload. */
  async make(batch: ImageBatch, row: number, draw: number, signal: AbortSignal): Promise<DeliveredSample> {
    const timings = { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 };
    let stands: Omit<Substitution, 'deliveredIndex'> | null = null;
    const original = sampleOf(draw);
    let id = original;
    for (let probe = 0; ; probe++) {
      const attempt = await this.#attempt(batch, row, drawInstead(draw, id), signal, timings);
      if (attempt.bad === null) {
        const { label, fields } = attempt.sample;
        const { params } = attempt.outcome;
        return {
          row: { index: id, label, fields, params },
          substitution: stands && { ...stands, deliveredIndex: id },
          timings,
        };
      }
      const { code, problem } = attempt.bad;
      if (this.spec.on_bad_sample === 'fail') throw CropstreamError.fromWire(attempt.bad);
      const path = this.manifest.pathOf(original);
      stands ??= { row, originalIndex: original, path, code, reason: problem };
      id = this.#standIn(batch.epoch, stands, probe);
    }
  }

  /** @throws NO_GOOD_SAMPLE when the probes are used up */
  #standIn(epoch: number, bad: Omit<Substitution, 'deliveredIndex'>, probe: number): number {
    const order = new SubstituteOrder({
      seed: this.spec.seed,
      epoch,
      sampleId: bad.originalIndex,
      length: this.manifest.length,
    });
    const probes = Math.min(this.spec.limits.substitution_probes, order.count);
    if (probe >= probes) {
      throw failure('NO_GOOD_SAMPLE', { probes, path: bad.path, reason: bad.reason });
    }
    return order.probe(probe);
  }

  async #attempt(
    batch: ImageBatch,
    row: number,
    draw: number,
    signal: AbortSignal,
    timings: Record<Stage, number>,
  ): Promise<Attempt> {
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
      const sample = await this.reader.read(sampleId, signal);
      const { source, release } = await this.#source(sample, timings);
      clear = release;
      if (signal.aborted) throw failure('CANCELLED', { what: 'making a sample' });
      const outcome = await this.shared.pool.run(batch, { row, draw, path: sample.path, source });
      for (const stage of Object.keys(timings) as Stage[]) timings[stage] += outcome.timings[stage];
      return outcome.bad === null ? { sample, outcome, bad: null } : { bad: outcome.bad };
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
    const options = { applyExif: this.spec.exif_rotation, path: sample.path };
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
