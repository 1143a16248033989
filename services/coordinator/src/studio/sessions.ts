import { loadTransforms, type TransformRegistry } from '@cropstream/augment';
import { ChunkMaker } from '@cropstream/chunks';
import { Darkroom } from '@cropstream/darkroom';
import type { ReplayedRun } from '@cropstream/darkroom/replay';
import {
  decodeManifest,
  factsOf,
  indexDataset,
  loadSources,
  locationOf,
  type Manifest,
  type ManifestFacts,
  openDataset,
  type Parts,
  partsFrom,
  partsInMemory,
  Roots,
  type SampleReader,
  type SourceRegistry,
} from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { defaultThreads } from '@cropstream/runtime';
import type { EpochPlan, Order } from '@cropstream/schedule';
import { orderOf, parseSpec, planOf, type ResolvedSpec } from '@cropstream/spec';
import type { PreviewedSpec, StudioNeeds, StudioRun, StudioSettings } from './calls.js';

/** Runs, and datasets, that are kept open for the next request. */
const KEPT = 4;
/** Compute threads of a replayed batch: the machine's other work goes on. */
const MOST_THREADS = 2;

interface Indexed {
  readonly manifest: Manifest;
  readonly parts: Parts;
  readonly notices: readonly string[];
}

/** A spec over its dataset, opened to look at. */
export class Session {
  readonly darkroom: Darkroom;
  readonly facts: ManifestFacts;
  readonly reader: SampleReader;
  #latest: { readonly epoch: number; readonly order: Order } | null = null;
  #maker: Promise<ChunkMaker> | null = null;

  constructor(
    readonly spec: ResolvedSpec,
    readonly manifest: Manifest,
    location: string,
    private readonly modules: { readonly registry: TransformRegistry; readonly sources: SourceRegistry },
    private readonly settings: StudioSettings,
    parts: Parts,
    private readonly roots: Roots,
    readonly notices: readonly string[] = [],
  ) {
    this.darkroom = new Darkroom(spec, modules.registry);
    this.facts = factsOf(manifest);
    this.reader = openDataset(location, manifest, { sources: modules.sources, parts, storage: { roots } });
  }

  get registry(): TransformRegistry {
    return this.modules.registry;
  }

  /** @throws NO_FULL_STEP */
  get plan(): EpochPlan {
    return planOf(this.spec, this.facts);
  }

  order(epoch: number): Order {
    if (this.#latest?.epoch !== epoch) this.#latest = { epoch, order: orderOf(this.spec, this.facts, epoch) };
    return this.#latest.order;
  }

  /** For whole batches, with threads of its own. */
  async replayed(): Promise<ReplayedRun> {
    const { spec, manifest, settings, facts, plan, roots } = this;
    this.#maker ??= ChunkMaker.create({
      ...{ spec, manifest, transforms: settings.transforms, sources: settings.sources, storage: { roots } },
      threads: Math.min(MOST_THREADS, defaultThreads()),
    });
    return { maker: await this.#maker, spec, plan, facts };
  }

  async close(): Promise<void> {
    await this.reader.close();
    await (await this.#maker)?.close();
  }
}

/** The sessions of late, each opened once. */
export class Sessions {
  readonly #sessions = new Kept<Session>(KEPT, (session) => session.close());
  readonly #datasets = new Kept<Indexed>(KEPT, async () => {});

  private constructor(
    private readonly settings: StudioSettings,
    private readonly needs: StudioNeeds,
    private readonly modules: { readonly registry: TransformRegistry; readonly sources: SourceRegistry },
  ) {}

  static async create(settings: StudioSettings, needs: StudioNeeds): Promise<Sessions> {
    const registry = await loadTransforms([...settings.transforms]);
    const sources = await loadSources([...settings.sources]);
    return new Sessions(settings, needs, { registry, sources });
  }

  /** @throws MANIFEST_NOT_FOUND */
  ofRun({ digest, url, specJson, manifestDigest, roots }: StudioRun): Promise<Session> {
    return this.#sessions.get(JSON.stringify([digest, url, roots]), async () => {
      const { manifest, parts } = await this.#stored(manifestDigest);
      const spec = parseSpec(JSON.parse(specJson), { ...this.#parsing, samples: manifest.length });
      return new Session(spec, manifest, url, this.modules, this.settings, parts, new Roots(roots));
    });
  }

  /** @throws SPEC_INVALID, DATASET_* */
  ofSpec({ input, manifestDigest, roots: levels }: PreviewedSpec): Promise<Session> {
    const roots = new Roots(levels);
    return this.#sessions.get(JSON.stringify([input, levels]), async () => {
      const { dataset } = parseSpec(input, { ...this.#parsing, samples: 1 });
      const found =
        manifestDigest === null
          ? await this.#datasets.get(JSON.stringify([dataset, levels]), async () => {
              const kept = partsInMemory();
              const options = { sources: this.modules.sources, keep: kept.keep, roots };
              const { manifest, notices } = await indexDataset(dataset, options);
              return { manifest, notices, parts: kept.parts };
            })
          : await this.#stored(manifestDigest);
      const spec = parseSpec(input, { ...this.#parsing, samples: found.manifest.length });
      const { manifest, parts, notices } = found;
      return new Session(
        spec,
        manifest,
        locationOf(dataset),
        this.modules,
        this.settings,
        parts,
        roots,
        notices,
      );
    });
  }

  async manifest(digest: string): Promise<Manifest> {
    return (await this.#stored(digest)).manifest;
  }

  get #parsing() {
    return { transforms: this.modules.registry, sources: this.modules.sources };
  }

  #stored(digest: string): Promise<Indexed> {
    return this.#datasets.get(digest, async () => {
      const bytes = await this.needs.manifest(digest);
      if (bytes === null) throw failure('MANIFEST_NOT_FOUND', { digest });
      const parts = partsFrom((part) => this.needs.manifest(part));
      return { manifest: decodeManifest(bytes), parts, notices: [] };
    });
  }
}

/** The values used last, each made once. */
class Kept<T> {
  readonly #values = new Map<string, T>();

  constructor(
    private readonly most: number,
    private readonly end: (value: T) => Promise<void>,
  ) {}

  async get(key: string, make: () => Promise<T>): Promise<T> {
    const value = this.#values.get(key) ?? (await make());
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const [oldest, old] of this.#values) {
      if (this.#values.size <= this.most) break;
      this.#values.delete(oldest);
      await this.end(old);
    }
    return value;
  }
}
