import { failure } from '@cropstream/errors';
import { malformed } from '../../malformed.js';
import type { Shard, ShardManifest } from '../../manifests/shard-manifest.js';
import { encodePath, lossyUtf8 } from '../../paths.js';
import type { ShardMemory } from '../../shard-memory.js';
import type { Sample, SampleReader } from '../../source.js';
import { type Storage, StorageError } from '../../storage/storage.js';
import { BoundedCache, Gate, type Loaded } from '../bounded-cache.js';
import { checkedLabel, fieldValue, type Scalar } from '../fields.js';
import { readSample, sampleFailure, statSample } from '../file-reader.js';
import { ShardIndexes } from '../shard-indexes.js';
import { type ColumnChunk, type Footer, type Leaf, type RowGroup, readFooter } from './footer.js';
import { type Columns, columnsSchema, leafNamed, namesOf } from './layout.js';
import { lastAtOrBefore, type PageSpan } from './offset-index.js';
import type { PageValue } from './pages.js';
import { type ReadRange, readScalars, readSpans, readSpanValues } from './row-group.js';
import { ParquetError } from './thrift.js';

/** Of a row group's column in a footer in memory. */
const CHUNK_BYTES = 200;
/** Pages read and decoded at once. */
const PAGE_LOADS = 4;
/** What a value in memory takes beside its bytes. */
const VALUE_BYTES = 100;

interface OpenFile {
  readonly name: string;
  readonly read: ReadRange;
  readonly groups: readonly RowGroup[];
  readonly image: Leaf;
  /** The other columns that are read. */
  readonly scalars: readonly (readonly [name: string, leaf: Leaf])[];
}

/** Reads an image with the data page that it is in, where the file tells where pages are, else with its row group's. */
export class ParquetReader implements SampleReader {
  readonly #manifest: ShardManifest;
  readonly #storage: Storage;
  readonly #columns: Columns;
  readonly #inside: boolean;
  readonly #classes: ReadonlyMap<string, number>;
  readonly #files: ShardIndexes<OpenFile>;
  /** Decoded pages: an image's neighbours are read with it. */
  readonly #images: BoundedCache<string, readonly PageValue[]>;
  readonly #spans: BoundedCache<string, readonly PageSpan[]>;
  /** Row groups' other values. */
  readonly #scalars: BoundedCache<string, ReadonlyMap<string, readonly Scalar[]>>;

  constructor(manifest: ShardManifest, storage: Storage, memory: ShardMemory) {
    this.#manifest = manifest;
    this.#storage = storage;
    this.#columns = parseColumns(manifest.settings.columns);
    this.#inside = manifest.settings.shards !== undefined;
    this.#classes = new Map(manifest.classes.map((name, label) => [name, label]));
    this.#files = new ShardIndexes((shard) => this.#open(shard), memory);
    this.#images = new BoundedCache(memory.contents, new Gate(PAGE_LOADS));
    this.#spans = new BoundedCache(memory.tables);
    this.#scalars = new BoundedCache(memory.tables, new Gate(PAGE_LOADS));
  }

  async size(sampleId: number, signal?: AbortSignal): Promise<number> {
    return (await this.#image(sampleId, signal)).length;
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const path = this.#manifest.pathOf(sampleId);
    const encoded = new Uint8Array(await this.#image(sampleId, signal));
    const values = await this.#scalarsOf(sampleId, signal);
    const { imagePath, label } = this.#columns;
    const fields = this.#manifest.fields.map(({ name, dtype }) => {
      const value = values(name);
      if (name === 'path' && value === undefined) return [name, (imagePath && values(imagePath)) || path];
      const known = fieldValue(dtype, value);
      if (known !== undefined) return [name, known];
      throw malformed(path, `its ${name} is ${JSON.stringify(value)}, where ${dtype} was indexed`);
    });
    return {
      encoded,
      label: label === null ? -1 : checkedLabel(path, this.#classes, values(label)),
      path,
      fields: Object.fromEntries(fields),
    };
  }

  async head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    return new Uint8Array((await this.#image(sampleId, signal)).subarray(0, length));
  }

  close(): Promise<void> {
    this.#files.close();
    for (const cache of [this.#images, this.#spans, this.#scalars]) cache.close();
    return this.#storage.close();
  }

  async #locate(sampleId: number, signal: AbortSignal | undefined) {
    const { shard, local } = this.#manifest.locate(sampleId);
    const file = await this.#files.get(shard);
    const group = file.groups[lastAtOrBefore(file.groups, local, ({ start }) => start)] as RowGroup;
    // What is loaded is everyone's: only the waiting is this caller's.
    if (signal?.aborted) throw failure('CANCELLED', { what: `reading ${this.#manifest.pathOf(sampleId)}` });
    return { file, group, row: local - group.start, key: `${shard.number}/${group.start}` };
  }

  /** A view of the page that the image is in; empty where its row has none, which then is no image. */
  async #image(sampleId: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { file, group, row, key } = await this.#locate(sampleId, signal);
    const chunk = chunkOf(group, file.image);
    const spans = await this.#spans.get(key, () =>
      inFile(file.name, async () => {
        const found = await readSpans(file.read, chunk, group.rows);
        return { value: found, bytes: VALUE_BYTES * found.length };
      }),
    );
    const number = lastAtOrBefore(spans, row, ({ firstRow }) => firstRow);
    const values = await this.#images.get(`${key}/${number}`, () =>
      inFile(file.name, async () => {
        const value = await readSpanValues(file.read, file.image, chunk, spans, number, group.rows);
        return { value, bytes: bytesOf(value) };
      }),
    );
    const image = values[row - (spans[number] as PageSpan).firstRow];
    return image instanceof Uint8Array ? image : new Uint8Array(0);
  }

  /** Gives a sample's values by column; undefined for a column that is not read. */
  async #scalarsOf(sampleId: number, signal: AbortSignal | undefined) {
    const { file, group, row, key } = await this.#locate(sampleId, signal);
    const columns = file.scalars.map(([, leaf]) => ({ leaf, chunk: chunkOf(group, leaf) }));
    const values = await this.#scalars.get(key, () =>
      inFile(file.name, async () => {
        const read = await readScalars(file.read, columns, group);
        const named = new Map(file.scalars.map(([name], i) => [name, read[i] as Scalar[]]));
        return { value: named, bytes: read.reduce((sum, column) => sum + bytesOf(column), 0) };
      }),
    );
    return (name: string): Scalar | undefined => values.get(name)?.[row];
  }

  async #open(shard: Shard): Promise<{ index: OpenFile; bytes: number }> {
    const { path, size } = shard;
    const name = lossyUtf8.decode(encodePath(path));
    const { size: now, version } = await statSample(this.#storage, path, name);
    if (now !== size) throw changed(name, `had ${size} bytes when it was indexed and has ${now} now`);
    const access = { version, inside: this.#inside };
    const footer = await this.#footer(shard, name, access);
    if (footer.digest !== shard.indexDigest)
      throw changed(name, 'has another footer than when it was indexed');
    const leafOf = (column: string): Leaf =>
      leafNamed(footer, column) ?? fail(malformed(name, `it has no column ${column}`));
    const read: ReadRange = async (offset, length) => {
      const bytes = await readSample(this.#storage, path, name, { offset, length, ...access });
      return bytes.length === length ? bytes : fail(changed(name, `ends before byte ${offset + length} now`));
    };
    const index = {
      name,
      read,
      groups: footer.groups,
      image: leafOf(this.#columns.image),
      scalars: namesOf(this.#columns)
        .filter((column) => column !== this.#columns.image)
        .map((column) => [column, leafOf(column)] as const),
    };
    return { index, bytes: CHUNK_BYTES * footer.groups.length * footer.leaves.length };
  }

  async #footer({ path, size }: Shard, name: string, access: object): Promise<Footer> {
    try {
      return await readFooter(this.#storage, path, size, access);
    } catch (error) {
      if (error instanceof ParquetError) throw changed(name, `is not what was indexed: ${error.message}`);
      throw error instanceof StorageError
        ? await sampleFailure(error, this.#storage, name, undefined)
        : error;
    }
  }
}

const chunkOf = ({ chunks }: RowGroup, { number }: Leaf): ColumnChunk => chunks[number] as ColumnChunk;

async function inFile<T>(name: string, load: () => Promise<Loaded<T>>): Promise<Loaded<T>> {
  try {
    return await load();
  } catch (error) {
    throw error instanceof ParquetError ? malformed(name, error.message) : error;
  }
}

function bytesOf(values: readonly (PageValue | Scalar)[]): number {
  let bytes = VALUE_BYTES * values.length;
  for (const value of values) {
    if (value instanceof Uint8Array || typeof value === 'string') bytes += value.length;
  }
  return bytes;
}

function parseColumns(text: string | undefined): Columns {
  try {
    return columnsSchema.parse(JSON.parse(text ?? ''));
  } catch {
    throw malformed('the manifest', 'it does not say which columns its samples have');
  }
}

function fail(error: Error): never {
  throw error;
}

const changed = (path: string, change: string) => failure('DATASET_CHANGED', { path, change });
