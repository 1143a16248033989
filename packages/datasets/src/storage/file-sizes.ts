import { Worker } from 'node:worker_threads';
import { inLanes } from '../lanes.js';
import { hasEscapes } from '../paths.js';
import { NUL, type SizesAnswer, type SizesTask, UNKNOWN } from './size-task.js';
import type { ListOptions } from './storage.js';

/** Files that are left to the caller before a thread is started, which takes as long as calls for so many. */
const FILES_BEFORE_THREAD = 2000;
/** Files of one question: an answer takes the thread some milliseconds. */
const PIECE_FILES = 1024;
/** Questions at once for one folder, so that the thread has the next while an answer is read. */
const PIECE_LANES = 2;

/**
 * Looks up the sizes of many files one after the other, on a thread: without an asynchronous call for each, a file takes
 * two microseconds of CPU time instead of eighteen, and the caller's event loop spends next to none of it. Where files are
 * few, or each takes long so that many calls at once are faster, all is left to the caller.
 */
export class FileSizes {
  #files = 0;
  #thread: SizeThread | null = null;
  #isSlow = false;

  /**
   * Sizes in bytes, UNKNOWN for what was not found: calls are to say why, and to try again.
   *
   * @param folder absolute
   */
  async find(
    folder: string,
    names: readonly string[],
    { found, signal }: ListOptions,
  ): Promise<Float64Array> {
    const sizes = new Float64Array(names.length).fill(UNKNOWN);
    this.#files += names.length;
    if (this.#files < FILES_BEFORE_THREAD || hasEscapes(folder)) return sizes;
    await inLanes(Math.ceil(names.length / PIECE_FILES), PIECE_LANES, async (piece) => {
      signal?.throwIfAborted();
      const from = piece * PIECE_FILES;
      const packedNames = names.slice(from, from + PIECE_FILES).join(NUL);
      if (this.#isSlow || hasEscapes(packedNames)) return;
      this.#thread ??= new SizeThread();
      const answer = await this.#thread.ask({ folder, packedNames });
      if (answer === null) return;
      this.#isSlow ||= answer.slow;
      sizes.set(answer.sizes, from);
      const known = answer.sizes.filter((size) => size !== UNKNOWN);
      const bytes = known.reduce((sum, size) => sum + size, 0);
      if (known.length > 0) found?.(known.length, bytes);
    });
    return sizes;
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }
}

class SizeThread {
  readonly #thread = new Worker(new URL('./size-thread.js', import.meta.url), { name: 'sizes' });
  /** Answers come in the order of the questions. */
  readonly #waiting: ((answer: SizesAnswer | null) => void)[] = [];
  #ended = false;

  constructor() {
    this.#thread.on('message', (answer: SizesAnswer) => this.#waiting.shift()?.(answer));
    // A thread that cannot be had, or fails: its files are left to the caller.
    this.#thread.on('error', () => this.#end());
    this.#thread.on('exit', () => this.#end());
  }

  /** Null where there is no thread any more. */
  ask(task: SizesTask): Promise<SizesAnswer | null> {
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#thread.postMessage(task);
    });
  }

  async close(): Promise<void> {
    this.#end();
    await this.#thread.terminate();
  }

  #end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve(null);
  }
}
