import { type ChunkName, chunkName, type Store } from '@cropstream/broker';
import { wantedChunks } from '@cropstream/schedule';
import type { RunBook } from './run-book.js';

/** Which chunks the live attachments of all runs want, as of the last look at the store. */
export class Wants {
  /** By run digest; null: a run whose chunks this worker cannot tell apart yet. */
  #wanted = new Map<string, ReadonlySet<ChunkName> | null>();
  #activeRuns = 0;

  constructor(
    private readonly store: Store,
    private readonly runs: RunBook,
  ) {}

  /** Runs with a live attachment. */
  get activeRuns(): number {
    return this.#activeRuns;
  }

  /** Looks at the store; costs O(windows), never O(epochs). */
  async refresh(): Promise<void> {
    const digests = new Set((await this.store.runs()).map(({ digest }) => digest));
    this.runs.retain(digests);
    const wanted = new Map<string, ReadonlySet<ChunkName> | null>();
    let active = 0;
    for (const digest of digests) {
      const attachments = await this.store.attachments(digest);
      if (attachments.length > 0) active++;
      const shape = this.runs.shape(digest);
      wanted.set(
        digest,
        shape &&
          new Set(
            attachments.flatMap((window) => wantedChunks(shape.plan, shape.chunkSize, window).map(chunkName)),
          ),
      );
    }
    this.#wanted = wanted;
    this.#activeRuns = active;
  }

  /** Whether an attachment wants the chunk; null where that cannot be told. A run that ended wants none. */
  has(runDigest: string, chunk: ChunkName): boolean | null {
    const wanted = this.#wanted.get(runDigest);
    return wanted === null ? null : wanted?.has(chunk) === true;
  }
}
