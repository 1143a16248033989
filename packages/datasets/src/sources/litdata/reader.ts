import { failure } from '@cropstream/errors';
import { malformed } from '../../malformed.js';
import type { Shard, ShardManifest } from '../../manifests/shard-manifest.js';
import { encodePath, lossyUtf8 } from '../../paths.js';
import type { ShardMemory } from '../../shard-memory.js';
import type { Sample, SampleReader } from '../../source.js';
import type { Storage } from '../../storage/storage.js';
import { BoundedCache, Gate } from '../bounded-cache.js';
import { fieldValue, labelValue, type Scalar } from '../fields.js';
import { readSample, statSample } from '../file-reader.js';
import { ShardIndexes } from '../shard-indexes.js';
import type { ArrowRows } from './arrow.js';
import { type ByteSource, viewOf } from './bytes.js';
import { type ChunkIndex, indexBytes, openChunk, splitItem } from './chunk.js';
import { type Layout, manifestFields, parseLayout, type ScalarFormat } from './layout.js';
import { pilPixels } from './pil.js';
import { decompress, FRAME_HEADER_BYTES, frameContentSize } from './zstd.js';

/** Of a compressed chunk, batch or sample, compressed and not. LitData's own chunks have 64 MB. */
const MAX_CONTENT_BYTES = 512 * 1024 * 1024;
/** Chunks and batches are decompressed two at once, of all readers of a thread. */
const decompressing = new Gate(2);
/**
 * Of Arrow columns that are compressed again inside a compressed chunk: who waits for the chunk inside one gate must not keep it from
 * getting through the same.
 */
const decompressingInner = new Gate(2);

interface Chunk {
  readonly index: ChunkIndex;
  /** The chunk as its tables count bytes: of a chunk that is compressed as a whole, what is in it. */
  readonly source: ByteSource;
}

/** What is read of a sample; null where it lacks that. */
interface Values {
  /** At the start of an ArrayBuffer of its own. */
  readonly image: Uint8Array<ArrayBuffer> | null;
  /** By leaf. */
  value(leaf: number): Uint8Array | null;
}

/** Reads samples out of LitData's chunks: one range a sample, where the chunk is not compressed. */
export class LitDataReader implements SampleReader {
  readonly #manifest: ShardManifest;
  readonly #storage: Storage;
  readonly #layout: Layout;
  readonly #dtypes: ReadonlyMap<string, 'string' | 'int64' | 'float64'>;
  readonly #classes: ReadonlyMap<string, number>;
  readonly #chunks: ShardIndexes<Chunk>;
  /** Decompressed chunks and batches. */
  readonly #contents: BoundedCache<string, Uint8Array>;
  /** Of Arrow columns. */
  readonly #columns: BoundedCache<string, Uint8Array>;

  constructor(manifest: ShardManifest, storage: Storage, memory: ShardMemory) {
    this.#manifest = manifest;
    this.#storage = storage;
    this.#layout = parseLayout(manifest.settings);
    this.#dtypes = new Map(manifestFields(this.#layout).map(({ name, dtype }) => [name, dtype]));
    this.#classes = new Map(manifest.classes.map((name, i) => [name, i]));
    this.#chunks = new ShardIndexes(async (shard) => {
      const chunk = await this.#open(shard);
      return { index: chunk, bytes: indexBytes(chunk.index) };
    }, memory);
    this.#contents = new BoundedCache(memory.contents, decompressing);
    const isInner = this.#layout.compression === 'chunk';
    this.#columns = new BoundedCache(memory.contents, isInner ? decompressingInner : decompressing);
  }

  async size(sampleId: number, signal?: AbortSignal): Promise<number> {
    const { shard, local, name } = this.#locate(sampleId);
    const { index, source } = await this.#chunk(shard, signal);
    if (index.kind === 'rows') {
      const cell = index.rows.cell(local, this.#layout.image.leaf);
      return cell.kind === 'null' ? 0 : cell.kind === 'bytes' ? cell.bytes.length : cell.length;
    }
    const start = index.offsets[local] as number;
    const length = (index.offsets[local + 1] as number) - start;
    if (this.#layout.compression !== 'sample') return length;
    const header = await source.read(start, Math.min(length, FRAME_HEADER_BYTES), signal);
    return frameContentSize(header) ?? damaged(name, 'it is no zstd frame that says how long its content is');
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const { shard, local, name } = this.#locate(sampleId);
    const chunk = await this.#chunk(shard, signal);
    const { image, value } = await this.#values(shard, chunk, local, name, signal);
    if (image === null) damaged(name, `its field ${this.#layout.image.name} is null`);
    const fields: Record<string, string | number> = { path: name };
    for (const { name: field, leaf, format } of this.#layout.fields) {
      const dtype = this.#dtypes.get(field) as 'string';
      fields[field] =
        fieldValue(dtype, scalar(value(leaf), format, name, field)) ??
        damaged(name, `its field ${field} is no ${dtype}`);
    }
    const sample = { label: this.#label(value, name), path: name, fields };
    return this.#layout.image.format === 'pil'
      ? { ...sample, pixels: pilPixels(image, name) }
      : { ...sample, encoded: image };
  }

  async head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array | null> {
    if (this.#layout.image.format === 'pil') return null;
    const { shard, local, name } = this.#locate(sampleId);
    const chunk = await this.#chunk(shard, signal);
    const range = await this.#imageRange(chunk, local, name, signal);
    if (range !== null) return chunk.source.read(range.offset, Math.min(length, range.length), signal);
    const { image } = await this.#values(shard, chunk, local, name, signal);
    return image?.subarray(0, length) ?? damaged(name, `its field ${this.#layout.image.name} is null`);
  }

  close(): Promise<void> {
    this.#chunks.close();
    this.#contents.close();
    this.#columns.close();
    return this.#storage.close();
  }

  #locate(sampleId: number) {
    return { ...this.#manifest.locate(sampleId), name: this.#manifest.pathOf(sampleId) };
  }

  async #chunk(shard: Shard, signal: AbortSignal | undefined): Promise<Chunk> {
    const chunk = await this.#chunks.get(shard);
    // What is loaded is everyone's: only the waiting is this caller's.
    if (signal?.aborted) throw failure('CANCELLED', { what: `reading ${shard.path}` });
    return chunk;
  }

  async #open(shard: Shard): Promise<Chunk> {
    const file = await this.#file(shard);
    const source = this.#layout.compression === 'chunk' ? await this.#inflated(shard, file) : file;
    return { source, index: await openChunk(source, shard.samples, this.#layout) };
  }

  async #file({ path, size }: Shard): Promise<ByteSource> {
    const name = lossyUtf8.decode(encodePath(path));
    const { size: now, version } = await statSample(this.#storage, path, name);
    if (now !== size) {
      throw failure('DATASET_CHANGED', {
        path: name,
        change: `had ${size} bytes when it was indexed and has ${now} now`,
      });
    }
    return {
      name,
      size,
      read: async (offset, length, signal) => {
        const bytes = await readSample(this.#storage, path, name, {
          offset,
          length,
          version,
          inside: true,
          signal,
        });
        if (bytes.length === length) return bytes;
        throw failure('DATASET_CHANGED', { path: name, change: `ends before byte ${offset + length} now` });
      },
    };
  }

  /** What is in a compressed chunk, which is decompressed again where it is no longer kept. */
  async #inflated(shard: Shard, file: ByteSource): Promise<ByteSource> {
    const content = () => this.#content(`${shard.number}`, file, 0, file.size);
    const { length: size } = await content();
    return {
      name: file.name,
      size,
      read: async (offset, length) => new Uint8Array((await content()).subarray(offset, offset + length)),
    };
  }

  #content(
    key: string,
    file: ByteSource,
    offset: number,
    length: number,
    contentBytes?: number,
    cache = this.#contents,
  ): Promise<Uint8Array> {
    return cache.get(key, async () => {
      if (length > MAX_CONTENT_BYTES)
        damaged(file.name, `it has ${length} compressed bytes: ${MAX_CONTENT_BYTES} are allowed`);
      const limit = Math.min(contentBytes ?? MAX_CONTENT_BYTES, MAX_CONTENT_BYTES);
      const content = await decompress(await file.read(offset, length), file.name, limit);
      if (contentBytes !== undefined && content.length !== contentBytes) {
        damaged(
          file.name,
          `its part at byte ${offset} holds ${content.length} bytes and not ${contentBytes}`,
        );
      }
      return { value: content, bytes: content.length };
    });
  }

  async #values(
    shard: Shard,
    { index, source }: Chunk,
    local: number,
    name: string,
    signal?: AbortSignal,
  ): Promise<Values> {
    if (index.kind === 'rows') return this.#row(shard, index.rows, local, signal);
    const start = index.offsets[local] as number;
    const end = index.offsets[local + 1] as number;
    let item: Uint8Array;
    if (index.kind === 'frames') {
      const frame = index.frames[Math.floor(local / index.rowsAFrame)] as (typeof index.frames)[number];
      const first = index.offsets[frame.number * index.rowsAFrame] as number;
      const content = await this.#content(
        `${shard.number}/${frame.number}`,
        source,
        frame.offset,
        frame.length,
        frame.contentBytes,
      );
      item = content.subarray(start - first, end - first);
    } else {
      item = await source.read(start, end - start, signal);
      if (this.#layout.compression === 'sample') item = await decompress(item, name, MAX_CONTENT_BYTES);
    }
    const values = splitItem(item, this.#layout.leaves, name);
    return {
      image: new Uint8Array(values[this.#layout.image.leaf] as Uint8Array),
      value: (leaf) => values[leaf] as Uint8Array,
    };
  }

  async #row(shard: Shard, rows: ArrowRows, local: number, signal?: AbortSignal): Promise<Values> {
    return {
      image: await this.#imageOfRow(shard, rows, local, signal),
      value(leaf) {
        const cell = rows.cell(local, leaf);
        return cell.kind === 'bytes' ? cell.bytes : null;
      },
    };
  }

  async #imageOfRow({ number }: Shard, rows: ArrowRows, local: number, signal?: AbortSignal) {
    const cell = rows.cell(local, this.#layout.image.leaf);
    switch (cell.kind) {
      case 'null':
        return null;
      case 'bytes':
        return new Uint8Array(cell.bytes);
      case 'range':
        return rows.source.read(cell.offset, cell.length, signal);
      case 'packed': {
        const { offset, length, contentBytes } = cell.buffer;
        const content = await this.#content(
          `${number}@${offset}`,
          rows.source,
          offset,
          length,
          contentBytes,
          this.#columns,
        );
        return new Uint8Array(content.subarray(cell.offset, cell.offset + cell.length));
      }
    }
  }

  /** Where the image's bytes stand in the chunk, where they stand there uncompressed. */
  async #imageRange({ index, source }: Chunk, local: number, name: string, signal?: AbortSignal) {
    const { compression, leaves, image } = this.#layout;
    if (index.kind !== 'items' || compression === 'sample') return null;
    const start = index.offsets[local] as number;
    const length = (index.offsets[local + 1] as number) - start;
    if (length < 4 * leaves) damaged(name, `its ${length} bytes hold no lengths of ${leaves} values`);
    const lengths = viewOf(await source.read(start, 4 * leaves, signal));
    let offset = 4 * leaves;
    for (let leaf = 0; leaf < image.leaf; leaf++) offset += lengths.getUint32(4 * leaf, true);
    const imageLength = lengths.getUint32(4 * image.leaf, true);
    if (offset + imageLength > length) damaged(name, 'its values are longer than it is');
    return { offset: start + offset, length: imageLength };
  }

  #label(value: Values['value'], name: string): number {
    const { label } = this.#layout;
    if (label === null) return -1;
    const found = scalar(value(label.leaf), label.format, name, label.name);
    return (
      labelValue(this.#classes, found) ??
      damaged(name, `its label ${found} is none of ${this.#classes.size} classes`)
    );
  }
}

function scalar(bytes: Uint8Array | null, format: ScalarFormat, name: string, field: string): Scalar {
  if (bytes === null) return null;
  if (format === 'str') return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const width = format === 'bool' ? 1 : 8;
  if (bytes.length !== width)
    damaged(name, `its field ${field} has ${bytes.length} bytes: ${format} has ${width}`);
  const view = viewOf(bytes);
  if (format === 'bool') return view.getUint8(0) === 0 ? 0 : 1;
  if (format === 'float') return view.getFloat64(0, true);
  const integer = view.getBigInt64(0, true);
  const number = Number(integer);
  if (!Number.isSafeInteger(number))
    damaged(name, `its field ${field} is ${integer}: integers are below 2^53, store it as str`);
  return number;
}

function damaged(name: string, reason: string): never {
  throw malformed(name, reason);
}
