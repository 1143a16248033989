import { failure } from '@cropstream/errors';
import type { DatasetSource } from '../source.js';
import { type datasetSchema, datasetSchemaWith, SOURCES } from './index.js';

/** A source by someone else: see third-party.ts. */
export type ThirdPartySource = DatasetSource & {
  /** Changed whenever the same files would give other samples: manifests are of `name@version`. */
  readonly version: string;
};

/** The open list of sources: those built in and those registered where the service starts. */
export class SourceRegistry {
  /** The `dataset:` part of a run spec. */
  readonly schema: typeof datasetSchema;
  readonly #byName: ReadonlyMap<string, DatasetSource>;
  /** By what manifests name them. */
  readonly #byId: ReadonlyMap<string, DatasetSource>;

  constructor(thirdParty: readonly ThirdPartySource[] = []) {
    const all: readonly DatasetSource[] = [...Object.values(SOURCES), ...thirdParty];
    this.schema = datasetSchemaWith(thirdParty.map(({ schema }) => schema));
    this.#byName = new Map(all.map((source) => [source.name, source]));
    this.#byId = new Map(all.map((source) => [sourceId(source), source]));
  }

  /** @throws SPEC_INVALID for a name that no source has */
  named(name: string): DatasetSource {
    return this.#byName.get(name) ?? this.#unknown(name);
  }

  /**
   * The source that made a manifest and that reads its samples.
   *
   * @param id the manifest's `source`
   * @throws SPEC_INVALID where it is not registered here, or in another version
   */
  ofManifest(id: string): DatasetSource {
    return this.#byId.get(id) ?? this.#unknown(id);
  }

  #unknown(name: string): never {
    throw failure('SPEC_INVALID', {
      field: 'dataset.source',
      value: JSON.stringify(name),
      allowed: `one of ${[...this.#byId.keys()].join(', ')}; others are registered where the service starts (--source-module)`,
    });
  }
}

/** What manifests name a source by. */
export function sourceId(source: DatasetSource | ThirdPartySource): string {
  return 'version' in source ? `${source.name}@${source.version}` : source.name;
}

/** Without any other. */
export const BUILT_IN_SOURCES = new SourceRegistry();
