import { fileURLToPath } from 'node:url';
import { checkBytes, type DecodeLimits } from '@cropstream/augment';
import {
  CLASSES_FILE,
  encodeClasses,
  inLanes,
  type Manifest,
  type SampleReader,
  type ShardFormat,
  type ShardFormatOptions,
  type ShardSample,
  type WrittenShard,
} from '@cropstream/datasets';
import { CropstreamError } from '@cropstream/errors';
import { Piscina } from 'piscina';
import { ImagePreparer, type Resizing } from './images.js';
import type { OutputFolder } from './output-folder.js';
import type { ShardRange } from './shards.js';
import type { EncodeAnswer, EncodeTask } from './thread-task.js';

export interface ConversionOptions {
  readonly manifest: Manifest;
  readonly reader: SampleReader;
  readonly format: ShardFormat;
  readonly compression: ShardFormatOptions['compression'];
  readonly resizing: Resizing | null;
  readonly limits: DecodeLimits;
  readonly shards: readonly ShardRange[];
  readonly folder: OutputFolder;
  readonly threads: number;
  /** Shards in the making at a time; each is whole in memory, twice for a moment. */
  readonly shardsAtOnce: number;
  /** Told of the samples that are in shards. */
  readonly report: (samples: number) => void;
  readonly signal: AbortSignal;
}

export interface Conversion {
  readonly shards: readonly WrittenShard[];
  /** Shards that an earlier run had made. */
  readonly kept: number;
  /** Of the samples in shards that were made now. */
  readonly resized: number;
  /** Path to what is wrong with it: images that were to be resized and could not be, copied as they are. */
  readonly bad: ReadonlyMap<string, string>;
}

/** Samples of one shard that are read at once: on network storage a read waits for a round trip. */
const READS_A_SHARD = 8;

/**
 * Writes a dataset's shards, then the files that make the folder a dataset. Shards that are there already are kept.
 *
 * @throws SAMPLE_IO, DATASET_CHANGED, SAMPLE_OVER_LIMIT, OUTPUT_UNWRITABLE; what was written until then is kept
 */
export async function convert(options: ConversionOptions): Promise<Conversion> {
  const pool = new Piscina({
    filename: fileURLToPath(new URL('./convert-thread.js', import.meta.url)),
    name: 'encode',
    minThreads: 1,
    maxThreads: options.threads,
    recordTiming: false,
  });
  try {
    return await new Converter(options, pool).run();
  } finally {
    await pool.destroy();
  }
}

class Converter {
  readonly #options: ConversionOptions;
  readonly #pool: Piscina;
  readonly #images: ImagePreparer;
  readonly #shardOptions: ShardFormatOptions;
  readonly #bad = new Map<string, string>();
  #kept = 0;
  #resized = 0;
  #done = 0;

  constructor(options: ConversionOptions, pool: Piscina) {
    const { manifest, resizing, limits, compression } = options;
    this.#options = options;
    this.#pool = pool;
    this.#images = new ImagePreparer(resizing, limits, pool);
    const fields = Object.fromEntries(manifest.fields.map(({ name, dtype }) => [name, dtype]));
    this.#shardOptions = { classes: manifest.classes, fields, compression };
  }

  async run(): Promise<Conversion> {
    const { shards: ranges, shardsAtOnce, format, folder } = this.#options;
    const shards = new Array<WrittenShard>(ranges.length);
    await inLanes(ranges.length, shardsAtOnce, async (number) => {
      shards[number] = await this.#shard(number);
    });
    const { classes } = this.#shardOptions;
    if (classes.length > 0) await folder.write(CLASSES_FILE, encodeClasses(classes));
    for (const { name, bytes } of format.index(shards, this.#shardOptions)) await folder.write(name, bytes);
    return { shards, kept: this.#kept, resized: this.#resized, bad: this.#bad };
  }

  async #shard(number: number): Promise<WrittenShard> {
    const { shards: ranges, format, folder, signal } = this.#options;
    const { first, last } = ranges[number] as ShardRange;
    const name = format.shardName(number, ranges.length, this.#shardOptions);
    const there = await folder.sizeOf(name);
    if (there !== null) {
      this.#kept += 1;
      this.#count(last - first);
      return { name, samples: last - first, bytes: there };
    }
    const samples = new Array<ShardSample>(last - first);
    await inLanes(samples.length, READS_A_SHARD, async (i) => {
      samples[i] = await this.#sample(first + i);
      this.#count(1);
    });
    signal.throwIfAborted();
    const bytes = await this.#encode({ format: format.name, samples, options: this.#shardOptions });
    await folder.write(name, bytes);
    return { name, samples: samples.length, bytes: bytes.length };
  }

  async #encode(task: EncodeTask): Promise<Uint8Array> {
    const transferList = task.samples.map(({ encoded }) => encoded.buffer as ArrayBuffer);
    const answer: EncodeAnswer = await this.#pool.run(task, { name: 'encode', transferList });
    if ('failed' in answer) throw CropstreamError.fromWire(answer.failed);
    return answer.bytes;
  }

  async #sample(id: number): Promise<ShardSample> {
    const { manifest, reader, limits, signal } = this.#options;
    signal.throwIfAborted();
    checkBytes(manifest.pathOf(id), await reader.size(id, signal), limits);
    const sample = await reader.read(id, signal);
    const { encoded, extension, resized, bad } = await this.#images.prepare(sample);
    if (resized) this.#resized += 1;
    if (bad) this.#bad.set(sample.path, bad.problem);
    return {
      key: keyOf(id),
      encoded: movable(encoded),
      extension,
      label: sample.label,
      fields: sample.fields,
    };
  }

  #count(samples: number): void {
    this.#done += samples;
    this.#options.report(this.#done);
  }
}

/** Keys sort as the samples do. */
const keyOf = (id: number): string => String(id).padStart(12, '0');

/** Bytes that own their buffer, so that it can be handed to a thread; a part of a larger one is copied out of it. */
const movable = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
