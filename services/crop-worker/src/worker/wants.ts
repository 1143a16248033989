import {
  type AttachmentRecord,
  type ChunkName,
  type ChunkSpan,
  chunkName,
  runKeyOf,
  type Store,
} from '@cropstream/broker';
import { wantedChunks } from '@cropstream/schedule';
import type { RunBook } from './run-book.js';

/** What the attachments of a run want. */
interface Wanted {
  readonly names: ReadonlySet<ChunkName>;
  /** The last of them in the run's order; null: nothing is wanted. */
  readonly last: ChunkSpan | null;
}

/** Which chunks the live attachments of all runs want, as of the last look at the store. */
export class Wants {
  /** By run key; null: a run whose chunks this worker cannot tell apart yet. */
  readonly #wanted = new Map<string, Wanted | null>();
  #activeRuns = 0;

  constructor(
    private readonly store: Store,
    private readonly book: RunBook,
  ) {}

  /** Runs with a live attachment. */
  get activeRuns(): number {
    return this.#activeRuns;
  }

  /** Keys of all runs. */
  get runs(): Iterable<string> {
    return this.#wanted.keys();
  }

  /** Looks at all runs. Costs O(windows), never O(epochs). */
  async refresh(): Promise<void> {
    const runs = await this.store.runs();
    const keys = new Set(runs.map(runKeyOf));
    this.book.retain(runs);
    for (const key of this.#wanted.keys()) if (!keys.has(key)) this.#wanted.delete(key);
    let active = 0;
    for (const key of keys) if (await this.refreshRun(key)) active++;
    this.#activeRuns = active;
  }

  /** Looks at one run; true if anyone is attached to it. */
  async refreshRun(runKey: string): Promise<boolean> {
    const attachments = await this.store.attachments(runKey);
    const shape = this.book.shape(runKey);
    // Without attachments nothing is wanted, of a run that this worker has not opened (again) either.
    const known = shape !== null || attachments.length === 0;
    const chunksOf = (window: AttachmentRecord) => wantedChunks(shape!.plan, shape!.chunkSize, window);
    this.#wanted.set(runKey, known ? wantedOf(attachments.flatMap(chunksOf)) : null);
    return attachments.length > 0;
  }

  /** Whether an attachment wants the chunk; null where that cannot be told. A run that ended wants none. */
  has(runKey: string, chunk: ChunkName): boolean | null {
    const wanted = this.#wanted.get(runKey);
    return wanted === null ? null : wanted?.names.has(chunk) === true;
  }

  /**
   * Whether the chunk lies beyond all that was wanted: whoever asked for it has done so since, for windows move on. Not
   * where nothing was wanted.
   */
  isBeyond(runKey: string, chunk: ChunkSpan): boolean {
    const last = this.#wanted.get(runKey)?.last ?? null;
    return last !== null && isAfter(chunk, last);
  }
}

function wantedOf(chunks: readonly ChunkSpan[]): Wanted {
  let last: ChunkSpan | null = null;
  for (const chunk of chunks) if (last === null || isAfter(chunk, last)) last = chunk;
  return { names: new Set(chunks.map(chunkName)), last };
}

function isAfter(a: ChunkSpan, b: ChunkSpan): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.first > b.first);
}
