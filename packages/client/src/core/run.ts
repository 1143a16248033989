import { failure } from '@cropstream/errors';
import { PROTOCOL_VERSION, type RunInfo as WireRunInfo } from '@cropstream/protocol';
import { type EpochPlan, epochPlan } from '@cropstream/schedule';
import { type Dtype, isDtype } from './tensor.js';

/** One view of every sample. */
export interface ViewInfo {
  readonly name: string;
  readonly dtype: Dtype;
  /** Of one sample: [3, height, width], or [height, width, 3] under `layout: nhwc`. */
  readonly shape: readonly number[];
}

/** A field that rides along with each sample, beside its index and label. */
export interface FieldInfo {
  readonly name: string;
  readonly dtype: FieldDtype;
}

export type FieldDtype = 'string' | 'int64' | 'float64';

/** What the coordinator says of an open run. */
export interface RunInfo {
  readonly name: string;
  /** The run's identity: hexadecimal SHA-256. */
  readonly digest: string;
  /** The resolved spec as canonical JSON: with it alone the run can be opened again. */
  readonly specJson: string;
  readonly manifestDigest: string;
  /** The pixel fingerprint that the run is pinned to. */
  readonly fingerprint: string;
  readonly samples: number;
  readonly globalBatchSize: number;
  readonly dropLast: boolean;
  readonly stepsPerEpoch: number;
  /** Positions a chunk, at most. */
  readonly chunkSize: number;
  /** Bytes of one sample's views. */
  readonly sampleBytes: number;
  /** In the spec's order. */
  readonly views: readonly ViewInfo[];
  readonly fields: readonly FieldInfo[];
  /** Class names by label; empty for a dataset without classes. */
  readonly classes: readonly string[];
  /** The recipe's normalisation by channel, of values in [0, 1]: for trainers that normalise on their device. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const FIELD_DTYPES: readonly string[] = ['string', 'int64', 'float64'] satisfies FieldDtype[];

/**
 * The run as the client's own type.
 *
 * @throws PROTOCOL_MISMATCH for a dtype that this version does not know
 */
export function describeRun(wire: WireRunInfo): RunInfo {
  return {
    name: wire.name,
    digest: wire.digest,
    specJson: wire.specJson,
    manifestDigest: wire.manifestDigest,
    fingerprint: wire.fingerprint,
    samples: Number(wire.samples),
    globalBatchSize: Number(wire.globalBatchSize),
    dropLast: wire.dropLast,
    stepsPerEpoch: Number(wire.stepsPerEpoch),
    chunkSize: wire.chunkSize,
    sampleBytes: Number(wire.sampleBytes),
    views: wire.views.map(({ name, dtype, shape }) => {
      if (!isDtype(dtype)) throw unknownDtype(`view ${name}`, dtype);
      return { name, dtype, shape };
    }),
    fields: wire.fields.map(({ name, dtype }) => {
      if (!isFieldDtype(dtype)) throw unknownDtype(`field ${name}`, dtype);
      return { name, dtype };
    }),
    classes: wire.classes,
    mean: wire.mean,
    std: wire.std,
  };
}

export function planOf(run: RunInfo): EpochPlan {
  return epochPlan(run);
}

function isFieldDtype(name: string): name is FieldDtype {
  return FIELD_DTYPES.includes(name);
}

function unknownDtype(what: string, dtype: string) {
  return failure('PROTOCOL_MISMATCH', {
    given: `with dtype ${dtype} of ${what}`,
    supported: PROTOCOL_VERSION,
  });
}
