import { failure } from '@cropstream/errors';
import { TarError } from '../../formats/tar.js';
import { malformed } from '../../malformed.js';
import type { ManifestHeader } from '../../manifests/manifest.js';
import type { Shard, ShardManifest } from '../../manifests/shard-manifest.js';
import { sealPart } from '../../parts.js';
import { encodePath, lossyUtf8 } from '../../paths.js';
import type { ShardMemory } from '../../shard-memory.js';
import type { Parts, Sample, SampleReader } from '../../source.js';
import { type Storage, StorageError } from '../../storage/storage.js';
import { checkedLabel, fieldValue, type Scalar } from '../fields.js';
import { readSample, sampleFailure, statSample } from '../file-reader.js';
import { ShardIndexes } from '../shard-indexes.js';
import type { ImageChoice } from './names.js';
import { HEAD_BYTES, NOT_SCALAR, partsOf, type RawSample, readParts } from './sample.js';
import { scanShard, spanOf } from './scan-shard.js';
import { decodeIndex, encodeIndex, type ShardIndex } from './shard-index.js';

const LABEL_NAMES = ['cls', 'label', 'class'];

/** A manifest's settings: what its reader goes by. */
export type Settings = NonNullable<ManifestHeader['settings']>;

export const choiceOf = ({ image_field: image }: Settings): ImageChoice => ({
  extensions: image?.split(';') ?? null,
});

export const labelNames = ({ label_field: label }: Settings): readonly string[] =>
  label === undefined ? LABEL_NAMES : [label];

/** Which of a sample's values is its label. */
export const labelNameOf = ({ values }: RawSample, settings: Settings): string | null =>
  labelNames(settings).find((name) => values.has(name)) ?? null;

interface OpenShard {
  readonly index: ShardIndex;
  readonly version: string | undefined;
}

/** Reads each sample by one range of its shard. */
export class WebdatasetReader implements SampleReader {
  readonly #manifest: ShardManifest;
  readonly #storage: Storage;
  readonly #parts: Parts;
  readonly #choice: ImageChoice;
  readonly #inside: boolean;
  readonly #classes: ReadonlyMap<string, number>;
  readonly #shards: ShardIndexes<OpenShard>;

  constructor(manifest: ShardManifest, storage: Storage, parts: Parts, memory: ShardMemory) {
    this.#manifest = manifest;
    this.#storage = storage;
    this.#parts = parts;
    this.#choice = choiceOf(manifest.settings);
    this.#inside = manifest.settings.shards !== undefined;
    this.#classes = new Map(manifest.classes.map((name, label) => [name, label]));
    this.#shards = new ShardIndexes((shard) => this.#open(shard), memory);
  }

  async size(sampleId: number): Promise<number> {
    const { shard, local } = this.#manifest.locate(sampleId);
    return spanOf((await this.#shards.get(shard)).index, local).length;
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const { path, span } = await this.#readSpan(sampleId, Number.POSITIVE_INFINITY, signal);
    const parts = orChanged(path, () => partsOf(span, span.length, this.#choice));
    const raw = orMalformed(path, () => readParts(span, parts));
    const labelName = labelNameOf(raw, this.#manifest.settings);
    const fields = this.#manifest.fields.map(({ name, dtype }) => {
      const value = name === labelName ? undefined : scalarOf(raw, name);
      if (name === 'path' && value === undefined) return [name, raw.key];
      const known = fieldValue(dtype, value);
      if (known !== undefined) return [name, known];
      throw malformed(path, `its ${name} is ${JSON.stringify(value)}, where the first samples have ${dtype}`);
    });
    return {
      encoded: raw.image,
      label: labelName === null ? -1 : checkedLabel(path, this.#classes, scalarOf(raw, labelName)),
      path,
      fields: Object.fromEntries(fields),
    };
  }

  async head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const start = await this.#readSpan(sampleId, length + HEAD_BYTES, signal);
    const found = headOf(start.span, start.whole, this.#choice, length);
    if (found !== null) return found;
    // Long members stand before the image, or what is there is no sample.
    const { encoded } = await this.read(sampleId, signal);
    return (encoded as Uint8Array).subarray(0, length);
  }

  close(): Promise<void> {
    this.#shards.close();
    return this.#storage.close();
  }

  async #readSpan(sampleId: number, most: number, signal: AbortSignal | undefined) {
    const { shard, local } = this.#manifest.locate(sampleId);
    const path = this.#manifest.pathOf(sampleId);
    const { index, version } = await this.#shards.get(shard);
    // What is loaded is everyone's: only the waiting is this caller's.
    if (signal?.aborted) throw failure('CANCELLED', { what: `reading ${path}` });
    const { offset, length: whole } = spanOf(index, local);
    const length = Math.min(whole, most);
    const options = { offset, length, version, inside: this.#inside, signal };
    return { path, whole, span: await readSample(this.#storage, shard.path, path, options) };
  }

  async #open(shard: Shard): Promise<{ index: OpenShard; bytes: number }> {
    const name = lossyUtf8.decode(encodePath(shard.path));
    const { size, version } = await statSample(this.#storage, shard.path, name);
    if (size !== shard.size) {
      throw changed(name, `had ${shard.size} bytes when it was indexed and has ${size} now`);
    }
    const kept = shard.indexDigest === null ? null : await this.#parts.get(shard.indexDigest);
    const index =
      kept === null ? await this.#scan(shard, name, version) : orMalformed(name, () => decodeIndex(kept));
    if (index.starts.length !== shard.samples) {
      throw changed(
        name,
        `has ${index.starts.length} samples with an image, and ${shard.samples} by its index`,
      );
    }
    return { index: { index, version }, bytes: 8 * index.starts.length };
  }

  /** Again, where what was kept is gone; for the first time, where wids' index said how many samples there are. */
  async #scan(shard: Shard, name: string, version: string | undefined): Promise<ShardIndex> {
    const options = { choice: this.#choice, inside: this.#inside, version };
    let index: ShardIndex;
    try {
      ({ index } = await scanShard(this.#storage, shard.path, shard.size, options));
    } catch (error) {
      if (error instanceof TarError) throw malformed(name, error.message);
      throw error instanceof StorageError
        ? await sampleFailure(error, this.#storage, name, undefined)
        : error;
    }
    if (shard.indexDigest !== null && sealPart(encodeIndex(index)).digest !== shard.indexDigest) {
      throw changed(name, 'has its samples elsewhere than when it was indexed');
    }
    return index;
  }
}

function scalarOf({ values }: RawSample, name: string): Scalar | undefined {
  const value = values.get(name);
  return value === NOT_SCALAR ? undefined : value;
}

/** The image's first bytes, where the start of a span has them. */
function headOf(span: Uint8Array, whole: number, choice: ImageChoice, length: number): Uint8Array | null {
  try {
    const { offset, size } = partsOf(span, whole, choice).image;
    const end = offset + Math.min(length, size);
    return end <= span.length ? span.subarray(offset, end) : null;
  } catch (error) {
    if (error instanceof TarError) return null;
    throw error;
  }
}

/** What indexing found in order and is not any more was changed since. */
function orChanged<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TarError) throw changed(path, `is not what was indexed: ${error.message}`);
    throw error;
  }
}

function orMalformed<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TarError) throw malformed(path, error.message);
    throw error;
  }
}

const changed = (path: string, change: string) => failure('DATASET_CHANGED', { path, change });
