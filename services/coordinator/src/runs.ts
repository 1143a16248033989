import { compileViews, type TransformRegistry } from '@cropstream/augment';
import { type RunRecord, runKeyOf, type Store } from '@cropstream/broker';
import {
  factsOf,
  type IndexProgress,
  indexDataset,
  type Manifest,
  type ManifestFacts,
  Roots,
  readFacts,
  type SourceRegistry,
  sealPart,
} from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { ALL_OWNERS, type OwnerLimits, requireOwnerName } from '@cropstream/runtime';
import { digestDifference, parseSpec, planOf, type ResolvedSpec, runDigest } from '@cropstream/spec';
import type { CoordinatorLimits } from './limits.js';
import { OpenRun } from './open-run.js';
import { requireQuota } from './quotas.js';

export interface RunCatalogOptions {
  readonly store: Store;
  readonly transforms: TransformRegistry;
  /** @default those built in */
  readonly sources?: SourceRegistry | undefined;
  /** The pixel fingerprint that new runs are pinned to. */
  readonly fingerprint: () => Promise<string>;
  readonly limits: Pick<CoordinatorLimits, 'maxRuns' | 'maxOpening' | 'maxChunkBytes'>;
  readonly ownerLimits: (owner: string) => OwnerLimits;
  readonly wall: () => number;
  /** Told once of each open run that `list` has to leave out. @default nobody is */
  readonly unusable?: (run: RunRecord, error: unknown) => void;
}

/** What is read of a manifest for its facts: a coordinator has no use for the samples. */
const FACTS_BYTES = 1024 * 1024;

export interface OpenedRun {
  readonly run: OpenRun;
  readonly created: boolean;
  /** What the user should know: what the source made of the folder, say. */
  readonly notices: readonly string[];
  readonly manifest: Manifest;
}

/** What a sample's fields and parameters take beside its views, at most, as long as fields stay short. */
const TAIL_BYTES = 8192;

/** Opens runs and finds them again. */
export class RunCatalog {
  readonly #options: RunCatalogOptions;
  /** By key and name, in order of use; one context a run. */
  readonly #contexts = new Map<string, OpenRun>();
  /** Runs that the last `list` left out; what lacks more than its manifest is not tried again. */
  #unusable: ReadonlyMap<string, 'no manifest' | 'for good'> = new Map();
  /** Opens under way, by owner and spec: the ranks of a job all open the same run at once, and index it once. */
  readonly #opening = new Map<string, { readonly owner: string; readonly opened: Promise<OpenedRun> }>();
  /** Those of them whose name was not open before. */
  readonly #coming = new Set<{ readonly owner: string }>();

  constructor(options: RunCatalogOptions) {
    this.#options = options;
  }

  /** Runs being opened now. */
  get opening(): number {
    return this.#opening.size;
  }

  /**
   * Opens a run from a spec, or finds it open already with the same digest.
   *
   * @throws SPEC_INVALID, DATASET_*, NO_FULL_STEP, CHUNK_TOO_LARGE, RUN_CONFLICT, LIMIT_EXCEEDED, QUOTA_EXCEEDED
   */
  async open(owner: string, spec: unknown, report?: (progress: IndexProgress) => void): Promise<OpenedRun> {
    requireOwnerName(owner);
    const key = `${owner} ${JSON.stringify(spec)}`;
    const underWay = this.#opening.get(key);
    if (underWay) return underWay.opened;
    const { limits, ownerLimits } = this.#options;
    const openings = this.#opening.size + 1;
    if (openings > limits.maxOpening) {
      throw failure('LIMIT_EXCEEDED', {
        field: 'runs being opened',
        value: openings,
        limit: limits.maxOpening,
      });
    }
    const ofOwner = 1 + countOf(owner, this.#opening.values());
    requireQuota(owner, 'runs being opened', ofOwner, ownerLimits(owner).maxOpening);
    const opened = this.#open(owner, spec, report).finally(() => this.#opening.delete(key));
    this.#opening.set(key, { owner, opened });
    return opened;
  }

  async #open(owner: string, input: unknown, report?: (progress: IndexProgress) => void): Promise<OpenedRun> {
    const { transforms, sources } = this.#options;
    // Everything else of the spec is checked before the dataset is looked at, which may take long.
    const { name, dataset } = parseSpec(input, { transforms, sources, samples: 1 });
    const coming = { owner };
    try {
      await this.#checkRoom(owner, name, coming);
      return await this.#index(owner, input, dataset, report);
    } finally {
      this.#coming.delete(coming);
    }
  }

  async #index(
    owner: string,
    input: unknown,
    dataset: ResolvedSpec['dataset'],
    report?: (progress: IndexProgress) => void,
  ): Promise<OpenedRun> {
    const { store, transforms, sources, limits } = this.#options;
    const roots = new Roots(this.#options.ownerLimits(owner).roots);
    const { manifest, notices } = await indexDataset(dataset, {
      report,
      sources,
      roots,
      keep: keepParts(store),
    });
    const spec = parseSpec(input, { transforms, sources, samples: manifest.length });
    const facts = factsOf(manifest);
    planOf(spec, facts);
    checkFields(spec, manifest);
    const record: RunRecord = {
      owner,
      name: spec.name,
      digest: runDigest(spec, manifest.digest),
      specJson: JSON.stringify(spec),
      manifestDigest: manifest.digest,
      chunkSize: fittingChunkSize(spec, sampleBytesOf(spec, transforms), limits.maxChunkBytes),
      fingerprint: await this.#options.fingerprint(),
      openedAt: this.#options.wall(),
      state: 'active',
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
    const told = [...notices];
    if (run.chunkSize !== spec.chunk_size) told.push(chunkSizeNotice(run.chunkSize, record.chunkSize, spec));
    return { run: this.#remember(run, facts), created, notices: told, manifest };
  }

  /** Books a place for a name that is not open yet, so that many opened at once count too. */
  async #checkRoom(owner: string, name: string, coming: { readonly owner: string }): Promise<void> {
    const { store, limits, ownerLimits } = this.#options;
    const runs = await store.runs();
    if (runs.some((run) => run.owner === owner && run.name === name)) return;
    this.#coming.add(coming);
    const open = runs.length + this.#coming.size;
    if (open > limits.maxRuns) {
      throw failure('LIMIT_EXCEEDED', { field: 'open runs', value: open, limit: limits.maxRuns });
    }
    const ofOwner = countOf(owner, runs) + countOf(owner, this.#coming);
    requireQuota(owner, 'open runs', ofOwner, ownerLimits(owner).maxRuns);
  }

  /**
   * An owner's open run of that name; of an empty name, the only one.
   *
   * @throws RUN_NOT_FOUND, RUN_AMBIGUOUS
   */
  async byName(owner: string, name: string): Promise<OpenRun> {
    const { store } = this.#options;
    let record = name === '' ? null : await store.runByName(owner, name);
    if (!record) {
      const all = (await store.runs()).filter((run) => run.owner === owner);
      const known = all.map((run) => run.name).join(', ') || 'none';
      if (name === '' && all.length > 1) throw failure('RUN_AMBIGUOUS', { known });
      if (name === '') record = all[0] ?? null;
      if (!record) throw failure('RUN_NOT_FOUND', { run: name || '(the only one)', known });
    }
    return this.#context(record);
  }

  /** The open runs of an owner or of all, without those that this coordinator cannot work with: their manifest expired, or it lacks a transform. */
  async list(owner = ALL_OWNERS): Promise<OpenRun[]> {
    const { store, unusable } = this.#options;
    const runs: OpenRun[] = [];
    const leftOut = new Map<string, 'no manifest' | 'for good'>();
    for (const record of await store.runs()) {
      const key = cacheKey(record);
      if (this.#unusable.get(key) === 'for good') {
        leftOut.set(key, 'for good');
        continue;
      }
      const bytes = await this.#manifestOf(record);
      try {
        runs.push(this.#contextOf(record, bytes));
      } catch (error) {
        leftOut.set(key, bytes ? 'for good' : 'no manifest');
        if (!this.#unusable.has(key)) unusable?.(record, error);
      }
    }
    this.#unusable = leftOut;
    return owner === ALL_OWNERS ? runs : runs.filter((run) => run.owner === owner);
  }

  async #context(record: RunRecord): Promise<OpenRun> {
    return this.#contextOf(record, await this.#manifestOf(record));
  }

  /** As much of it as holds its facts; null where it is not needed, or gone. */
  async #manifestOf(record: RunRecord): Promise<Uint8Array | null> {
    if (this.#contexts.has(cacheKey(record))) return null;
    const { store } = this.#options;
    const start = await store.manifest(record.manifestDigest, FACTS_BYTES);
    // Very many classes, all of whose names stand at the beginning.
    if (start && readFacts(start) === null) return store.manifest(record.manifestDigest);
    return start;
  }

  #contextOf(record: RunRecord, bytes: Uint8Array | null): OpenRun {
    const cached = this.#contexts.get(cacheKey(record));
    if (cached) {
      cached.update(record);
      return this.#touch(cached);
    }
    const facts = bytes && readFacts(bytes);
    if (!facts) {
      throw failure('RUN_NOT_FOUND', {
        run: record.name,
        known: 'its manifest expired; open it again from its spec',
      });
    }
    return this.#remember(record, facts);
  }

  #remember(record: RunRecord, facts: ManifestFacts): OpenRun {
    const run = this.#contexts.get(cacheKey(record)) ?? new OpenRun(record, facts, this.#options.transforms);
    run.update(record);
    return this.#touch(run);
  }

  #touch(run: OpenRun): OpenRun {
    const key = cacheKey(run);
    this.#contexts.delete(key);
    this.#contexts.set(key, run);
    // One for each run that may be open: with fewer, every look at all of them would read some manifests again.
    for (const oldest of this.#contexts.keys()) {
      if (this.#contexts.size <= this.#options.limits.maxRuns) break;
      this.#contexts.delete(oldest);
    }
    return run;
  }
}

/** Bytes of shards' indexes that one opening leaves in the store; workers make those beyond again from the shards. */
const MAX_PARTS_BYTES = 256 * 1024 * 1024;

function keepParts(store: Store): (bytes: Uint8Array) => Promise<string> {
  let kept = 0;
  return async (bytes) => {
    const { digest, sealed } = sealPart(bytes);
    kept += sealed.length;
    if (kept <= MAX_PARTS_BYTES) await store.putManifest(digest, sealed);
    return digest;
  };
}

function countOf(owner: string, all: Iterable<{ readonly owner: string }>): number {
  return [...all].filter((each) => each.owner === owner).length;
}

function cacheKey(run: Pick<RunRecord, 'owner' | 'digest' | 'name'>): string {
  return `${runKeyOf(run)} ${run.name}`;
}

/** The chunk size asked for, or what of it a worker can hold: no byte depends on it. */
function fittingChunkSize(spec: ResolvedSpec, sampleBytes: number, maxChunkBytes: number): number {
  const most = Math.floor(maxChunkBytes / (sampleBytes + TAIL_BYTES));
  if (most < 1) throw failure('CHUNK_TOO_LARGE', { bytes: sampleBytes + TAIL_BYTES, limit: maxChunkBytes });
  return Math.min(spec.chunk_size, most);
}

function chunkSizeNotice(effective: number, fitting: number, { chunk_size }: ResolvedSpec): string {
  const why =
    effective === fitting ? 'larger chunks would not fit a worker' : 'the same run is open so already';
  return `chunk_size is ${effective} instead of ${chunk_size}: ${why}; the batches are the same`;
}

function checkFields(spec: ResolvedSpec, manifest: Manifest): void {
  const names = manifest.fields.map(({ name }) => name);
  const unknown = spec.exclude_fields.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw failure('SPEC_INVALID', {
    field: 'exclude_fields',
    value: JSON.stringify(unknown),
    allowed: `fields that the samples have: ${names.join(', ')}`,
  });
}

function sampleBytesOf(spec: ResolvedSpec, transforms: TransformRegistry): number {
  return compileViews(spec.views, spec.output, transforms).reduce(
    (sum, view) => sum + view.bytesPerSample,
    0,
  );
}
