import { fileURLToPath } from 'node:url';
import { type Source, ThreadDecoder, TurboJpegDecoder } from '@cropstream/augment';
import { CropstreamError, failure } from '@cropstream/errors';
import { Piscina } from 'piscina';
import {
  type ComputeAnswer,
  type ComputeResult,
  type ComputeTask,
  type ImageTask,
  LOADED,
  type ThreadOptions,
} from './task.js';

/** Which decoder JPEGs go through. The bytes are the same; the speed is not. */
export type DecoderChoice = 'auto' | 'turbojpeg' | 'sharp';

export interface ComputePoolOptions {
  /** Compute threads: at least 1. */
  readonly threads: number;
  /** ES modules of third-party transforms. @default none */
  readonly transforms?: readonly string[];
  /** @default 'auto': TurboJPEG where its library is to be had, else sharp */
  readonly decoder?: DecoderChoice;
  /** WebAssembly bytes that each thread keeps between images. @default 64 MiB */
  readonly keepBytes?: number;
}

/** Images of one chunk that are made by the same program. */
export type ImageBatch = Omit<ComputeTask, 'images'>;

/** What became of one image. */
export type ImageOutcome = Pick<ComputeResult, 'timings'> & {
  readonly bad: ComputeResult['bad'][number];
  /** float32[views, PARAM_COLUMNS.length] */
  readonly params: Float32Array;
  /** uint32[views] */
  readonly checksums: Uint32Array;
};

interface Queued {
  readonly batch: ImageBatch;
  readonly image: ImageTask;
  readonly resolve: (outcome: ImageOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** A task should take about so long: short enough to balance, long enough that its dispatch is small beside it. */
const TASK_MS = 4;
/** Tasks a thread has at hand: one that runs, and one so that it never waits for this thread's loop. */
const TASKS_PER_THREAD = 2;

/** A compute thread makes little garbage: the engine's 48 MiB for young objects would be memory for nothing (decision 0408). */
const YOUNG_MIB = 12;

/** Threads that compute pixels; the caller's event loop only hands images out. */
export class ComputePool {
  readonly threads: number;
  readonly #decoder: ThreadDecoder;
  readonly #pool: Piscina;
  /** Resolves once every thread has loaded its code, or one could not. */
  readonly #loaded: Promise<void>;
  readonly #queue: Queued[] = [];
  #running = 0;
  #millisecondsPerImage = TASK_MS;

  /** @throws INTERNAL where `decoder: 'turbojpeg'` is asked for and not to be had */
  constructor({
    threads,
    transforms = [],
    decoder = 'auto',
    keepBytes = 64 * 1024 * 1024,
  }: ComputePoolOptions) {
    this.threads = threads;
    const jpeg = decoder === 'sharp' ? null : TurboJpegDecoder.load();
    this.#decoder = new ThreadDecoder(jpeg);
    if (decoder === 'turbojpeg' && jpeg === null) {
      throw failure('INTERNAL', { reason: 'TurboJPEG was asked for, and no library of it can be loaded' });
    }
    const workerData: ThreadOptions = { transforms, jpeg: jpeg !== null, keepBytes };
    this.#pool = new Piscina({
      filename: fileURLToPath(new URL('./compute-thread.js', import.meta.url)),
      name: 'compute',
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
      workerData,
    });
    this.#loaded = new Promise((resolve) => {
      let loaded = 0;
      this.#pool.on('message', (message) => {
        if (message === LOADED && ++loaded === threads) resolve();
      });
      this.#pool.once('error', () => resolve());
    });
    // A thread that dies between tasks has none to fail: piscina has started another by now.
    this.#pool.on('error', () => {});
  }

  /**
   * True where the threads decode these bytes themselves; others must come as pixels.
   *
   * @throws SAMPLE_UNDECODABLE or SAMPLE_UNSUPPORTED for what nobody decodes
   */
  decodes(bytes: Uint8Array, path: string): boolean {
    return this.#decoder.decodes(bytes, path);
  }

  /** Makes one image's rows. Rejects where the thread died or failed; a bad image resolves with its error. */
  run(batch: ImageBatch, image: ImageTask): Promise<ImageOutcome> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, image, resolve, reject });
      this.#dispatch();
    });
  }

  /** Stops the threads; what still runs is rejected. */
  async close(): Promise<void> {
    for (const { reject } of this.#queue.splice(0)) reject(failure('SHUTTING_DOWN', {}));
    // A thread that is ended while it loads a native library takes the whole process with it.
    await this.#loaded;
    await this.#pool.destroy();
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#running < this.threads * TASKS_PER_THREAD) {
      void this.#start(this.#nextGroup());
    }
  }

  /** The next images of one chunk: as many as make a task of TASK_MS, and no more than a thread's fair part. */
  #nextGroup(): Queued[] {
    const { batch } = this.#queue[0]!;
    const fair = Math.ceil(this.#queue.length / (this.threads * TASKS_PER_THREAD));
    const size = Math.max(1, Math.min(Math.floor(TASK_MS / this.#millisecondsPerImage), fair));
    let count = 1;
    while (count < size && this.#queue[count]?.batch === batch) count++;
    return this.#queue.splice(0, count);
  }

  async #start(group: Queued[]): Promise<void> {
    this.#running++;
    try {
      const result = await this.#post(group);
      const spent = Object.values(result.timings).reduce((sum, ms) => sum + ms, 0) / group.length;
      this.#millisecondsPerImage += (spent - this.#millisecondsPerImage) / 8;
      const none = { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 };
      const part = <T extends Float32Array | Uint32Array>(all: T, index: number): T => {
        const length = all.length / group.length;
        return all.subarray(index * length, (index + 1) * length) as T;
      };
      for (const [index, { resolve }] of group.entries()) {
        resolve({
          bad: result.bad[index]!,
          params: part(result.params, index),
          checksums: part(result.checksums, index),
          timings: index === 0 ? result.timings : none,
        });
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    } finally {
      this.#running--;
      this.#dispatch();
    }
  }

  async #post(group: readonly Queued[]): Promise<ComputeResult> {
    const images = group.map(({ image }) => ({ ...image, source: movable(image.source) }));
    const task: ComputeTask = { ...group[0]!.batch, images };
    const buffers = new Set(images.map(({ source }) => bytesOf(source).buffer));
    const transferList = [...buffers].filter((buffer) => buffer instanceof ArrayBuffer);
    const answer: ComputeAnswer = await this.#pool.run(task, { transferList });
    if ('failed' in answer) throw CropstreamError.fromWire(answer.failed);
    return answer.result;
  }
}

function bytesOf(source: Source): Uint8Array {
  return source.kind === 'encoded' ? source.bytes : source.raw.data;
}

/**
 * Bytes that own their buffer are moved to the thread; a part of a larger buffer is copied out of it first. A reader that
 * asks for one byte more than there should be, to see whether a file grew, leaves that one free.
 */
function movable(source: Source): Source {
  const bytes = bytesOf(source);
  if (bytes.byteOffset === 0 && bytes.byteLength >= bytes.buffer.byteLength - 1) return source;
  const data = new Uint8Array(bytes);
  return source.kind === 'encoded'
    ? { kind: 'encoded', bytes: data }
    : { kind: 'raw', raw: { ...source.raw, data } };
}
