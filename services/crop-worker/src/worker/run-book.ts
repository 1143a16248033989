import { type RunKey, type RunRecord, runKeyOf, type Store } from '@cropstream/broker';
import type { ChunkRequest, MadeChunk } from '@cropstream/chunks';
import { type Parts, partsFrom } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import type { EpochPlan } from '@cropstream/schedule';
import type { Insist } from './insist.js';

/** What a worker needs of a run: a ChunkMaker in life, a stand-in in simulations. */
export interface RunMaker {
  readonly plan: EpochPlan;
  readonly chunkSize: number;
  /** Bytes of memory that a chunk of so many samples takes at most. */
  bytesFor(samples: number): number;
  make(request: ChunkRequest, signal: AbortSignal): Promise<MadeChunk>;
  close(): Promise<void>;
}

/** Where a run's samples are, and what tells it. */
export interface RunData {
  /** The manifest in its binary form. */
  readonly manifest: Uint8Array;
  /** What is kept beside it. */
  readonly parts: Parts;
  /** Where the dataset lies now. */
  readonly url: string;
}

/** Makes a run's maker. */
export type OpenRun = (run: RunRecord, data: RunData) => Promise<RunMaker>;

/** How a run's steps and chunks are cut: known of every run that this worker ever opened, and small. */
export interface RunShape {
  readonly plan: EpochPlan;
  readonly chunkSize: number;
  /** Bytes of memory that its chunks take at most. */
  readonly chunkBytes: number;
  /** By what people know the run: of the names that are open with its digest, the first. */
  readonly labels: RunLabels;
}

/** What logs and metrics call a run. */
export interface RunLabels {
  readonly owner: string;
  readonly run: string;
}

interface Page {
  /** Where its dataset lay when it was opened. */
  readonly url: string;
  readonly maker: Promise<RunMaker | null>;
  users: number;
}

/** The runs that a worker has open: as many as are in use, and the last few beyond. */
export class RunBook {
  readonly #pages = new Map<string, Page>();
  readonly #shapes = new Map<string, RunShape>();

  constructor(
    private readonly store: Store,
    private readonly openRun: OpenRun,
    private readonly keep: number,
    private readonly insist: Insist,
  ) {}

  shape(runKey: string): RunShape | null {
    return this.#shapes.get(runKey) ?? null;
  }

  /** Closes and forgets the runs that ended, those in use excepted, and learns the names of those that did not. */
  retain(open: readonly RunRecord[]): void {
    const firsts = new Map<RunKey, RunRecord>();
    for (const run of open) {
      const first = firsts.get(runKeyOf(run));
      if (!first || run.openedAt < first.openedAt) firsts.set(runKeyOf(run), run);
    }
    for (const [key, page] of this.#pages) {
      if (firsts.has(key) || page.users > 0) continue;
      this.#forget(key, page);
      void closeMaker(page.maker);
    }
    for (const [key, shape] of this.#shapes) {
      const first = firsts.get(key);
      if (first) this.#shapes.set(key, { ...shape, labels: labelsOf(first) });
      else if (!this.#pages.has(key)) this.#shapes.delete(key);
    }
  }

  /** The largest chunk of the runs that this worker knows; null where it knows none. */
  get largestChunkBytes(): number | null {
    const all = [...this.#shapes.values()].map(({ chunkBytes }) => chunkBytes);
    return all.length === 0 ? null : Math.max(...all);
  }

  /** Runs that are open here. */
  get size(): number {
    return this.#pages.size;
  }

  /** Runs `use` with the run's maker, its dataset at `url`; null where the run is open no more. */
  async use<T>(runKey: string, url: string, use: (maker: RunMaker) => Promise<T>): Promise<T | null> {
    const known = this.#pages.get(runKey);
    // A dataset that moved is read at its new place; those that still use the old one end with it.
    const page = known?.url === url ? known : { url, maker: this.#open(runKey, url), users: 0 };
    if (known && known !== page && known.users === 0) void closeMaker(known.maker);
    // Put last: the map's order is the order of last use.
    this.#pages.delete(runKey);
    this.#pages.set(runKey, page);
    page.users++;
    try {
      const maker = await page.maker;
      if (maker === null) {
        this.#forget(runKey, page);
        return null;
      }
      return await use(maker);
    } catch (error) {
      await page.maker.catch(() => this.#forget(runKey, page));
      throw error;
    } finally {
      page.users--;
      if (page.users === 0 && this.#pages.get(runKey) !== page) void closeMaker(page.maker);
      this.#trim();
    }
  }

  async close(): Promise<void> {
    const pages = [...this.#pages.values()];
    this.#pages.clear();
    await Promise.all(pages.map(({ maker }) => closeMaker(maker)));
  }

  async #open(runKey: string, url: string): Promise<RunMaker | null> {
    const run = await this.insist(() => this.store.runByKey(runKey));
    if (run === null) return null;
    const manifest = await this.insist(() => this.store.manifest(run.manifestDigest));
    if (manifest === null) {
      throw failure('INTERNAL', { reason: `the store has no manifest ${run.manifestDigest}` });
    }
    const parts = partsFrom((digest) => this.insist(() => this.store.manifest(digest)));
    const maker = await this.openRun(run, { manifest, parts, url });
    const { plan, chunkSize } = maker;
    this.#shapes.set(runKey, {
      plan,
      chunkSize,
      chunkBytes: maker.bytesFor(chunkSize),
      labels: labelsOf(run),
    });
    return maker;
  }

  #forget(runKey: string, page: Page): void {
    if (this.#pages.get(runKey) === page) this.#pages.delete(runKey);
  }

  #trim(): void {
    for (const [key, page] of this.#pages) {
      if (this.#pages.size <= this.keep) return;
      if (page.users > 0) continue;
      this.#pages.delete(key);
      void closeMaker(page.maker);
    }
  }
}

function labelsOf({ owner, name }: RunRecord): RunLabels {
  return { owner, run: name };
}

/** A maker that could not be opened has nothing to close. */
async function closeMaker(maker: Promise<RunMaker | null>): Promise<void> {
  const opened = await maker.catch(() => null);
  await opened?.close();
}
