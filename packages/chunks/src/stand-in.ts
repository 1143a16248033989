import { CropstreamError, failure, type WireError } from '@cropstream/errors';
import { drawInstead, SubstituteOrder, sampleOf } from '@cropstream/schedule';
import type { ResolvedSpec } from '@cropstream/spec';

/** A bad sample, for which another stands in. */
export interface BadSample {
  readonly originalIndex: number;
  readonly path: string;
  /** Its error's code: SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT. */
  readonly code: string;
  readonly reason: string;
}

/** What became of one sample: a value, or why its bytes make none. */
export type Attempt<T> = { readonly bad: null; readonly value: T } | { readonly bad: WireError };

export interface Delivered<T> {
  readonly sampleId: number;
  /** What its random numbers are keyed by. */
  readonly draw: number;
  readonly value: T;
  readonly standsFor: BadSample | null;
}

/** What of a run decides about stand-ins. */
export interface StandInRule {
  readonly spec: Pick<ResolvedSpec, 'seed' | 'on_bad_sample' | 'limits'>;
  readonly manifest: { readonly length: number; pathOf(sampleId: number): string };
}

/**
 * A draw's sample; where that is bad, the first good one of a bijection keyed by seed, epoch and the bad one's id.
 *
 * @param attempt called with the draw, then with its stand-ins' until one is good
 * @throws NO_GOOD_SAMPLE when the probes are used up; a bad sample's own error where the run is to fail of it
 */
export async function withStandIn<T>(
  { spec, manifest }: StandInRule,
  { epoch, draw }: { readonly epoch: number; readonly draw: number },
  attempt: (draw: number) => Promise<Attempt<T>>,
): Promise<Delivered<T>> {
  const original = sampleOf(draw);
  let standsFor: BadSample | null = null;
  let sampleId = original;
  for (let probe = 0; ; probe++) {
    const tried = drawInstead(draw, sampleId);
    const outcome = await attempt(tried);
    if (outcome.bad === null) return { sampleId, draw: tried, value: outcome.value, standsFor };
    const { code, problem } = outcome.bad;
    if (spec.on_bad_sample === 'fail') throw CropstreamError.fromWire(outcome.bad);
    standsFor ??= { originalIndex: original, path: manifest.pathOf(original), code, reason: problem };
    const order = new SubstituteOrder({
      ...{ seed: spec.seed, epoch, sampleId: original, length: manifest.length },
    });
    const probes = Math.min(spec.limits.substitution_probes, order.count);
    if (probe >= probes) {
      throw failure('NO_GOOD_SAMPLE', { probes, path: standsFor.path, reason: standsFor.reason });
    }
    sampleId = order.probe(probe);
  }
}
