import { compileViews, type TransformRegistry } from '@cropstream/augment';
import { AFFINITIES, type RunKey, type RunRecord, runKeyOf } from '@cropstream/broker';
import { locationOf, type ManifestFacts } from '@cropstream/datasets';
import type { RunInfo } from '@cropstream/protocol';
import { type EpochPlan, mostReadBlock, type Order } from '@cropstream/schedule';
import { orderOf, planOf, type ResolvedSpec, type SampleCounts } from '@cropstream/spec';

/** Samples of a block where an epoch has the dataset's own order. */
const UNSHUFFLED_BLOCK = 1024;

/** A run as a coordinator works with it. The manifest itself is left to the store and the workers. */
export class OpenRun {
  readonly owner: string;
  readonly name: string;
  readonly digest: string;
  /** What its chunks and attachments are kept under. */
  readonly key: RunKey;
  readonly spec: ResolvedSpec;
  readonly plan: EpochPlan;
  /** Positions a chunk has at most. */
  readonly chunkSize: number;
  /** The pixel fingerprint it is pinned to, which is also the name of its job queue. */
  readonly fingerprint: string;
  /** Bytes of one sample's views. */
  readonly sampleBytes: number;
  #info: RunInfo;
  readonly #samples: SampleCounts;
  #url: string;
  #paused: boolean;
  #latestOrder: { readonly epoch: number; readonly order: Order } | undefined;

  constructor(
    record: RunRecord,
    /** Of its dataset. */
    readonly facts: ManifestFacts,
    transforms: TransformRegistry,
  ) {
    this.owner = record.owner;
    this.name = record.name;
    this.digest = record.digest;
    this.key = runKeyOf(record);
    this.spec = JSON.parse(record.specJson);
    this.chunkSize = record.chunkSize;
    this.fingerprint = record.fingerprint;
    this.plan = planOf(this.spec, facts);
    this.#samples = { samples: facts.samples, ...(facts.parts && { parts: facts.parts }) };
    const views = compileViews(this.spec.views, this.spec.output, transforms);
    this.sampleBytes = views.reduce((sum, view) => sum + view.bytesPerSample, 0);
    this.#url = locationOf(this.spec.dataset);
    this.#paused = record.state === 'paused';
    this.#info = {
      owner: record.owner,
      name: record.name,
      digest: record.digest,
      specJson: record.specJson,
      manifestDigest: record.manifestDigest,
      fingerprint: record.fingerprint,
      samples: BigInt(this.plan.samples),
      globalBatchSize: BigInt(this.spec.global_batch_size),
      dropLast: this.spec.drop_last,
      stepsPerEpoch: BigInt(this.plan.stepsPerEpoch),
      chunkSize: record.chunkSize,
      sampleBytes: BigInt(this.sampleBytes),
      views: views.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
      fields: facts.fields
        .filter(({ name }) => !this.spec.exclude_fields.includes(name))
        .map(({ name, dtype }) => ({ name, dtype })),
      classes: [...facts.classes],
      mean: [...this.spec.normalization.mean],
      std: [...this.spec.normalization.std],
    };
  }

  /** What trainers are told of it. */
  get info(): RunInfo {
    return this.#info;
  }

  /** Where the dataset lies now. */
  get url(): string {
    return this.#url;
  }

  /** Whether its operator has paused it: nothing new of it is to be made. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Takes over what of a run may change: where its dataset lies, and whether it is paused. */
  update({ specJson, state }: RunRecord): void {
    this.#paused = state === 'paused';
    if (specJson === this.#info.specJson) return;
    this.#info = { ...this.#info, specJson };
    const spec: ResolvedSpec = JSON.parse(specJson);
    this.#url = locationOf(spec.dataset);
  }

  /**
   * Which part of the dataset a chunk reads most of; nothing where its order keeps no neighbours together, so that every chunk
   * reads everywhere.
   *
   * @param draws of the chunk
   */
  affinityOf(draws: readonly number[]): { readonly affinity?: number } {
    const { shuffle, shuffle_window } = this.spec;
    if (shuffle === true) return {};
    const blockSize = shuffle_window?.block_size ?? UNSHUFFLED_BLOCK;
    const block = mostReadBlock(draws, blockSize);
    // Neighbouring blocks have numbers far apart, as a shard may hold several: Fibonacci hashing.
    return { affinity: (Math.imul(block, 0x9e3779b1) >>> 0) % AFFINITIES };
  }

  /** The order of an epoch; the last one asked for is kept. */
  order(epoch: number): Order {
    if (this.#latestOrder?.epoch !== epoch) {
      this.#latestOrder = { epoch, order: orderOf(this.spec, this.#samples, epoch) };
    }
    return this.#latestOrder.order;
  }
}
