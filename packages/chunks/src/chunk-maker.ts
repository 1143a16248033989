import { compileViews, type Stage } from '@cropstream/augment';
import {
  locationOf,
  type Manifest,
  openDataset,
  type SampleReader,
  type StorageOptions,
} from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { crc32, JoinedCrc32 } from '@cropstream/kernels';
import type { ResolvedSpec } from '@cropstream/spec';
import { BufferPool, type PooledBuffer } from './buffer-pool.js';
import { ChunkLayout, type Column, type Row } from './layout.js';
import { type DeliveredSample, SampleMaker, type Substitution } from './sample-maker.js';
import { createSharedParts, type SharedParts, type SharedPartsOptions } from './shared-parts.js';
import type { PixelProgram } from './task.js';
import { type Timeline, TimelineRecorder } from './timeline.js';

export interface ChunkRequest {
  readonly epoch: number;
  /** Draws (see the schedule package), a row each: of a sample drawn once in an epoch, its id. */
  readonly indices: readonly number[];
}

/** A finished chunk: what ChunkHeader says of it, and its bytes. */
export interface MadeChunk {
  readonly samples: number;
  readonly columns: readonly Column[];
  readonly payloadBytes: number;
  /** Of the payload. */
  readonly crc32: number;
  readonly substitutions: readonly Substitution[];
  /** Over a SharedArrayBuffer of the maker's pool; not to be read after `release`. */
  readonly payload: Uint8Array;
  /** Bytes of memory that the chunk holds: its payload's, rounded up. */
  readonly capacity: number;
  /** Milliseconds a stage, summed over its samples, whichever thread did the work. */
  readonly timings: Readonly<Record<Stage, number>>;
  readonly timeline: Timeline;
  /** Gives the memory back; further calls do nothing. */
  release(): void;
}

export interface ChunkMakerOptions extends SharedPartsOptions {
  readonly spec: ResolvedSpec;
  readonly manifest: Manifest;
  /** How its samples are read. @default as commands do */
  readonly storage?: StorageOptions;
}

/**
 * Makes chunks of one run. Their bytes are a function of the run's spec and manifest, the epoch and the
 * indices: never of threads, decoder, timing, or what was made before.
 */
export class ChunkMaker {
  readonly layout: ChunkLayout;
  readonly #closers: (() => Promise<unknown>)[] = [];
  readonly #program: string;
  readonly #samples: SampleMaker;

  constructor(
    readonly spec: ResolvedSpec,
    manifest: Manifest,
    reader: SampleReader,
    private readonly shared: SharedParts,
  ) {
    const program: PixelProgram = {
      seed: spec.seed,
      views: spec.views,
      layout: spec.output.layout,
      maxPixels: spec.limits.max_pixels,
      maxBytes: spec.limits.max_bytes,
      exifRotation: spec.exif_rotation,
      draft: spec.draft,
    };
    const views = compileViews(spec.views, spec.output, shared.registry);
    const fields = manifest.fields.filter(({ name }) => !spec.exclude_fields.includes(name));
    this.#program = JSON.stringify(program);
    this.layout = new ChunkLayout(views, fields);
    this.#samples = new SampleMaker(spec, manifest, reader, shared);
  }

  /** A maker with threads, buffers and reader of its own. */
  static async create(options: ChunkMakerOptions): Promise<ChunkMaker> {
    const shared = await createSharedParts(options);
    const reader = openDataset(locationOf(options.spec.dataset), options.manifest, {
      sources: shared.sources,
      storage: options.storage,
    });
    const maker = new ChunkMaker(options.spec, options.manifest, reader, shared);
    maker.#closers.push(
      () => shared.close(),
      () => reader.close(),
    );
    return maker;
  }

  /** What a chunk of so many samples takes at most while its fields stay short. */
  bytesFor(samples: number): number {
    return BufferPool.capacityFor(this.layout.bytesFor(samples, this.shared.limits.fieldBytes));
  }

  /**
   * Makes a chunk. Under `on_bad_sample: fail` a bad sample's own error is thrown.
   *
   * @throws CHUNK_TOO_LARGE, SAMPLE_IO, DATASET_CHANGED, NO_GOOD_SAMPLE, SAMPLE_*, CANCELLED on abort
   */
  async make({ epoch, indices }: ChunkRequest, signal?: AbortSignal): Promise<MadeChunk> {
    const samples = indices.length;
    this.#checkSize(this.bytesFor(samples));
    const memory = this.shared.buffers.acquire(this.layout.bytesFor(samples, this.shared.limits.fieldBytes));
    const batch = { program: this.#program, epoch, samples, payload: memory.buffer };
    const timeline = new TimelineRecorder();
    // No thread writes to the memory any more once every row has settled: only then may it go back.
    const stop = new AbortController();
    const signals = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const settled = await Promise.allSettled(
      indices.map(async (id, row) => {
        try {
          return await this.#samples.make(batch, row, id, signals, timeline);
        } catch (error) {
          stop.abort();
          throw error;
        }
      }),
    );
    try {
      if (signal?.aborted) throw failure('CANCELLED', { what: 'making a chunk' });
      const rows = settled.map((result) => {
        if (result.status === 'rejected') throw firstCause(settled);
        return result.value;
      });
      return this.#finish(rows, memory, timeline);
    } catch (error) {
      memory.release();
      throw error;
    }
  }

  /** Stops what `create` started; what still runs is rejected. */
  async close(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close()));
  }

  #finish(samples: readonly DeliveredSample[], memory: PooledBuffer, timeline: Timeline): MadeChunk {
    const rows: Row[] = samples.map(({ row }) => row);
    const viewBytes = this.layout.sampleBytes * rows.length;
    const payloadBytes = viewBytes + this.layout.tailBytes(rows);
    this.#checkSize(payloadBytes);
    let held = memory;
    if (payloadBytes > memory.buffer.byteLength) {
      // Fields longer than foreseen, which is rare: the views move to a buffer that has room.
      held = this.shared.buffers.acquire(payloadBytes);
      new Uint8Array(held.buffer).set(new Uint8Array(memory.buffer, 0, viewBytes));
      memory.release();
    }
    try {
      const payload = new Uint8Array(held.buffer, 0, payloadBytes);
      const columns = this.layout.finish(rows, payload);
      const tail = payload.subarray(viewBytes);
      const timings = { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 };
      for (const { timings: spent } of samples) {
        for (const stage of Object.keys(timings) as Stage[]) timings[stage] += spent[stage];
      }
      return {
        samples: rows.length,
        columns,
        payloadBytes,
        crc32: this.#checksum(samples, tail),
        substitutions: samples.flatMap(({ substitution }) => substitution ?? []),
        payload,
        capacity: held.buffer.byteLength,
        timings,
        timeline,
        release: held.release,
      };
    } catch (error) {
      held.release();
      throw error;
    }
  }

  /** The chunk's CRC-32, from its views' and the bytes behind them. */
  #checksum(samples: readonly DeliveredSample[], tail: Uint8Array): number {
    const joined = new JoinedCrc32();
    for (const [index, { bytesPerSample }] of this.layout.views.entries()) {
      for (const { checksums } of samples) joined.append(checksums[index]!, bytesPerSample);
    }
    joined.append(crc32(tail), tail.length);
    return joined.value;
  }

  #checkSize(bytes: number): void {
    const limit = this.shared.limits.maxChunkBytes;
    if (bytes > limit) throw failure('CHUNK_TOO_LARGE', { bytes, limit });
  }
}

/** The error of the first row that failed by itself, not because another's failure stopped it. */
function firstCause(settled: readonly PromiseSettledResult<unknown>[]): unknown {
  const reasons = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  return reasons.find((reason) => reason?.code !== 'CANCELLED') ?? reasons[0];
}
