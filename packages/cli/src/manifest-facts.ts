import {
  FileManifest,
  type Manifest,
  Mix,
  type SampleField,
  Selection,
  type ShardManifest,
} from '@cropstream/datasets';

/** How numbers lie: the least, the middle one, the greatest. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface ClassCount {
  readonly name: string;
  /** Null where labels are known to the shards alone. */
  readonly samples: number | null;
}

/** What a manifest says, by itself: no dataset is looked at. */
export interface ManifestFacts {
  readonly source: string;
  readonly samples: number;
  /** Of all files that hold samples. */
  readonly bytes: number;
  /** Bytes of a sample's file or record. */
  readonly sample_bytes?: Spread;
  readonly shards?: {
    readonly count: number;
    readonly bytes: Spread;
    readonly samples: Spread;
    /** Of those, the ones whose index is kept beside the manifest. */
    readonly indexed: number;
  };
  readonly classes: readonly ClassCount[];
  readonly fields: readonly SampleField[];
  /** Of a mix. */
  readonly datasets?: readonly ManifestFacts[];
  readonly manifest_digest: string;
}

export function factsOf(manifest: Manifest): ManifestFacts {
  return {
    source: manifest.source,
    samples: manifest.length,
    bytes: manifest.bytes,
    ...detailsOf(manifest),
    fields: manifest.fields,
    manifest_digest: manifest.digest,
  };
}

function detailsOf(
  manifest: Manifest,
): Pick<ManifestFacts, 'sample_bytes' | 'shards' | 'classes' | 'datasets'> {
  const named = manifest.classes.map((name) => ({ name, samples: null }));
  if (manifest instanceof Mix) return { classes: named, datasets: manifest.parts.map(factsOf) };
  if (manifest instanceof Selection) return { classes: named, shards: shardsOf(manifest.whole) };
  if (manifest instanceof FileManifest) {
    const sizes = Float64Array.from({ length: manifest.length }, (_, id) => manifest.sizeOf(id));
    return { sample_bytes: spreadOf(sizes), classes: countClasses(manifest) };
  }
  return { classes: named, shards: shardsOf(manifest as ShardManifest) };
}

/** The shards' indexes that a manifest has kept beside it. */
export function keptIndexes(manifest: Manifest): string[] {
  if (manifest instanceof Mix) return manifest.parts.flatMap(keptIndexes);
  if (manifest instanceof Selection) return keptIndexes(manifest.whole);
  if (manifest instanceof FileManifest) return [];
  const { shardCount } = manifest as ShardManifest;
  const digests = Array.from(
    { length: shardCount },
    (_, i) => (manifest as ShardManifest).shard(i).indexDigest,
  );
  return digests.filter((digest) => digest !== null);
}

function shardsOf(manifest: ShardManifest): NonNullable<ManifestFacts['shards']> {
  const shards = Array.from({ length: manifest.shardCount }, (_, i) => manifest.shard(i));
  return {
    count: shards.length,
    bytes: spreadOf(Float64Array.from(shards, ({ size }) => size)),
    samples: spreadOf(Float64Array.from(shards, ({ samples }) => samples)),
    indexed: shards.filter(({ indexDigest }) => indexDigest !== null).length,
  };
}

function spreadOf(values: Float64Array): Spread {
  const sorted = values.sort();
  const at = (i: number) => sorted[i] ?? 0;
  return { min: at(0), median: at(Math.floor((sorted.length - 1) / 2)), max: at(sorted.length - 1) };
}

function countClasses(manifest: FileManifest): ClassCount[] {
  const counts = new Float64Array(manifest.classes.length);
  for (let id = 0; id < manifest.length; id++) {
    const label = manifest.labelOf(id);
    if (label >= 0) counts[label]! += 1;
  }
  return manifest.classes.map((name, label) => ({ name, samples: counts[label] ?? 0 }));
}
