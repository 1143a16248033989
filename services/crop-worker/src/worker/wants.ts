import { type AttachmentRecord, type ChunkName, chunkName, type Store } from '@cropstream/broker';
import { wantedChunks } from '@cropstream/schedule';
import type { RunBook } from './run-book.js';

/** Which chunks the live attachments of all runs want, as of the last look at the store. */
export class Wants {
  /** By run digest; null: a run whose chunks this worker cannot tell apart yet. */
  readonly #wanted = new Map<string, ReadonlySet<ChunkName> | null>();
  #activeRuns = 0;

  constructor(
    private readonly store: Store,
    private readonly book: RunBook,
  ) {}

  /** Runs with a live attachment. */
  get activeRuns(): number {
    return this.#activeRuns;
  }

  /** Digests of all runs. */
  get runs(): Iterable<string> {
    return this.#wanted.keys();
  }

  /** Looks at all runs. Costs O(windows), never O(epochs). */
  async refresh(): Promise<void> {
    const digests = new Set((await this.store.runs()).map(({ digest }) => digest));
    this.book.retain(digests);
    for (const digest of this.#wanted.keys()) if (!digests.has(digest)) this.#wanted.delete(digest);
    let active = 0;
    for (const digest of digests) if (await this.refreshRun(digest)) active++;
    this.#activeRuns = active;
  }

  /** Looks at one run; true if anyone is attached to it. */
  async refreshRun(runDigest: string): Promise<boolean> {
    const attachments = await this.store.attachments(runDigest);
    const shape = this.book.shape(runDigest);
    const names = (window: AttachmentRecord) =>
      wantedChunks(shape!.plan, shape!.chunkSize, window).map(chunkName);
    // Without attachments nothing is wanted, of a run that this worker has not opened (again) either.
    const known = shape !== null || attachments.length === 0;
    this.#wanted.set(runDigest, known ? new Set(attachments.flatMap(names)) : null);
    return attachments.length > 0;
  }

  /** Whether an attachment wants the chunk; null where that cannot be told. A run that ended wants none. */
  has(runDigest: string, chunk: ChunkName): boolean | null {
    const wanted = this.#wanted.get(runDigest);
    return wanted === null ? null : wanted?.has(chunk) === true;
  }
}
