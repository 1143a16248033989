import { compileViews, type TransformRegistry } from '@cropstream/augment';
import type { RunRecord, Store } from '@cropstream/broker';
import { type IndexProgress, indexDataset, Manifest } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import type { RunInfo } from '@cropstream/protocol';
import { EpochOrder, type EpochPlan, epochPlan } from '@cropstream/schedule';
import { digestDifference, parseSpec, type ResolvedSpec, runDigest } from '@cropstream/spec';

/** A run as a coordinator works with it. The manifest itself is left to the store and the workers. */
export interface OpenRun {
  readonly name: string;
  readonly digest: string;
  readonly spec: ResolvedSpec;
  readonly plan: EpochPlan;
  /** The pixel fingerprint it is pinned to, which is also the name of its job queue. */
  readonly fingerprint: string;
  /** Bytes of one sample's views. */
  readonly sampleBytes: number;
  readonly info: RunInfo;
  order(epoch: number): EpochOrder;
}

export interface RunCatalogOptions {
  readonly store: Store;
  readonly transforms: TransformRegistry;
  /** The pixel fingerprint that new runs are pinned to. */
  readonly fingerprint: () => Promise<string>;
  /** Contexts kept in memory; the store keeps the runs themselves. */
  readonly maxCached?: number;
  readonly wall: () => number;
}

export interface OpenedRun {
  readonly run: OpenRun;
  readonly created: boolean;
  /** What the user should know: what the source made of the folder, say. */
  readonly notices: readonly string[];
  readonly manifest: Manifest;
}

/** What of a manifest a run's trainers are told. */
interface ManifestFacts {
  readonly samples: number;
  readonly classes: readonly string[];
  readonly fields: Manifest['fields'];
}

/** Opens runs and finds them again. */
export class RunCatalog {
  readonly #options: RunCatalogOptions;
  /** By digest and name, in order of use; one context a run. */
  readonly #contexts = new Map<string, OpenRun>();
  /** Opens under way, by spec: the ranks of a job all open the same run at once, and index it once. */
  readonly #opening = new Map<string, Promise<OpenedRun>>();

  constructor(options: RunCatalogOptions) {
    this.#options = options;
  }

  /**
   * Opens a run from a spec, or finds it open already with the same digest.
   *
   * @throws SPEC_INVALID, DATASET_*, NO_FULL_STEP, RUN_CONFLICT
   */
  open(spec: unknown, report?: (progress: IndexProgress) => void): Promise<OpenedRun> {
    const key = JSON.stringify(spec);
    const underWay = this.#opening.get(key);
    if (underWay) return underWay;
    const opening = this.#open(spec, report).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  async #open(input: unknown, report?: (progress: IndexProgress) => void): Promise<OpenedRun> {
    const { store, transforms } = this.#options;
    // Everything else of the spec is checked before the dataset is looked at, which may take long.
    const { dataset } = parseSpec(input, { transforms, samples: 1 });
    const { manifest, notices } = await indexDataset(dataset, report);
    const spec = parseSpec(input, { transforms, samples: manifest.length });
    epochPlan({
      samples: manifest.length,
      globalBatchSize: spec.global_batch_size,
      dropLast: spec.drop_last,
    });
    const record: RunRecord = {
      name: spec.name,
      digest: runDigest(spec, manifest.digest),
      specJson: JSON.stringify(spec),
      manifestDigest: manifest.digest,
      fingerprint: await this.#options.fingerprint(),
      openedAt: this.#options.wall(),
    };
    await store.putManifest(manifest.digest, manifest.encode());
    const { run, created } = await store.openRun(record);
    if (run.digest !== record.digest) {
      const difference =
        run.manifestDigest === record.manifestDigest
          ? digestDifference(JSON.parse(run.specJson), spec)
          : `the dataset's manifest is ${record.manifestDigest}, the open run's is ${run.manifestDigest}`;
      throw failure('RUN_CONFLICT', { run: run.name, difference });
    }
    return { run: this.#remember(run, factsOf(manifest)), created, notices, manifest };
  }

  /**
   * The open run of that name; of an empty name, the only one.
   *
   * @throws RUN_NOT_FOUND
   */
  async byName(name: string): Promise<OpenRun> {
    const { store } = this.#options;
    let record = name === '' ? null : await store.runByName(name);
    if (!record) {
      const all = await store.runs();
      if (name === '' && all.length === 1) record = all[0] ?? null;
      if (!record) {
        const known = all.map((run) => run.name).join(', ') || 'none';
        throw failure('RUN_NOT_FOUND', { run: name || '(not given)', known });
      }
    }
    return this.#context(record);
  }

  async list(): Promise<OpenRun[]> {
    const runs: OpenRun[] = [];
    for (const record of await this.#options.store.runs()) runs.push(await this.#context(record));
    return runs;
  }

  async #context(record: RunRecord): Promise<OpenRun> {
    const cached = this.#contexts.get(cacheKey(record));
    if (cached) return this.#touch(cached);
    const bytes = await this.#options.store.manifest(record.manifestDigest);
    if (!bytes) {
      throw failure('RUN_NOT_FOUND', {
        run: record.name,
        known: 'its manifest expired; open it again from its spec',
      });
    }
    return this.#remember(record, factsOf(Manifest.decode(bytes)));
  }

  #remember(record: RunRecord, facts: ManifestFacts): OpenRun {
    return this.#touch(
      this.#contexts.get(cacheKey(record)) ?? makeRun(record, facts, this.#options.transforms),
    );
  }

  #touch(run: OpenRun): OpenRun {
    const key = cacheKey(run);
    this.#contexts.delete(key);
    this.#contexts.set(key, run);
    for (const oldest of this.#contexts.keys()) {
      if (this.#contexts.size <= (this.#options.maxCached ?? 256)) break;
      this.#contexts.delete(oldest);
    }
    return run;
  }
}

function cacheKey(run: { readonly name: string; readonly digest: string }): string {
  return `${run.digest} ${run.name}`;
}

function factsOf(manifest: Manifest): ManifestFacts {
  return { samples: manifest.length, classes: manifest.classes, fields: manifest.fields };
}

function makeRun(record: RunRecord, facts: ManifestFacts, transforms: TransformRegistry): OpenRun {
  const spec: ResolvedSpec = JSON.parse(record.specJson);
  const plan = epochPlan({
    samples: facts.samples,
    globalBatchSize: spec.global_batch_size,
    dropLast: spec.drop_last,
  });
  const views = compileViews(spec.views, spec.output, transforms);
  const sampleBytes = views.reduce((sum, view) => sum + view.bytesPerSample, 0);
  let latest: EpochOrder | undefined;
  let latestEpoch = -1;
  return {
    name: record.name,
    digest: record.digest,
    spec,
    plan,
    fingerprint: record.fingerprint,
    sampleBytes,
    order(epoch) {
      if (!latest || latestEpoch !== epoch) {
        latest = new EpochOrder({ seed: spec.seed, epoch, length: facts.samples, shuffle: spec.shuffle });
        latestEpoch = epoch;
      }
      return latest;
    },
    info: {
      name: record.name,
      digest: record.digest,
      specJson: record.specJson,
      manifestDigest: record.manifestDigest,
      fingerprint: record.fingerprint,
      samples: BigInt(facts.samples),
      globalBatchSize: BigInt(spec.global_batch_size),
      dropLast: spec.drop_last,
      stepsPerEpoch: BigInt(plan.stepsPerEpoch),
      chunkSize: spec.chunk_size,
      sampleBytes: BigInt(sampleBytes),
      views: views.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
      fields: facts.fields
        .filter(({ name }) => !spec.exclude_fields.includes(name))
        .map(({ name, dtype }) => ({ name, dtype })),
      classes: [...facts.classes],
      mean: [...spec.normalization.mean],
      std: [...spec.normalization.std],
    },
  };
}
