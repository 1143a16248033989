import { failure } from '@cropstream/errors';
import {
  cutChunks,
  type EpochPlan,
  locate,
  type Range,
  rankRange,
  type WantedChunk,
  wantedChunks,
} from '@cropstream/schedule';
import { planOf, type RunInfo } from './run.js';

/** Memory for batches that are on their way or wait to be yielded; the next one included, yielded ones not. */
export interface Prefetch {
  /** Whole steps, at least 1. */
  readonly steps: number;
  /** Bytes of the views of those steps; null: whatever the steps take. */
  readonly bytes: number | null;
}

export interface Rank {
  readonly rank: number;
  readonly worldSize: number;
}

/** Which steps a rank may hold at once, what they are made of, and the credits that say so to a coordinator. */
export class StepWindow {
  /** Whole steps, as many as the prefetch allows. */
  readonly steps: number;
  /** Constant: a coordinator counts every step as a full one. */
  readonly creditChunks: number;
  readonly creditBytes: number;
  readonly #plan: EpochPlan;

  /** @throws WINDOW_TOO_SMALL where `prefetch.bytes` does not hold one step */
  constructor(
    readonly run: RunInfo,
    readonly member: Rank,
    prefetch: Prefetch,
  ) {
    this.#plan = planOf(run);
    const full = this.rowsOf(0);
    const chunks = Math.max(1, cutChunks(full, run.chunkSize).length);
    const bytes = Math.max(1, (full.last - full.first) * run.sampleBytes);
    const affordable = prefetch.bytes === null ? prefetch.steps : Math.floor(prefetch.bytes / bytes);
    this.steps = Math.min(prefetch.steps, affordable);
    this.creditChunks = this.steps * chunks;
    this.creditBytes = this.steps * bytes;
    if (this.steps < 1) {
      throw failure('WINDOW_TOO_SMALL', {
        needed: chunks,
        needed_bytes: bytes,
        given: prefetch.steps * chunks,
        given_bytes: prefetch.bytes ?? 0,
      });
    }
  }

  /** The rank's positions of a global step; empty for the last ranks of a tail smaller than the world. */
  rowsOf(globalStep: number): Range {
    const { step } = locate(this.#plan, globalStep);
    return rankRange(this.#plan, step, this.member.rank, this.member.worldSize);
  }

  chunksOf(globalStep: number): readonly WantedChunk[] {
    return wantedChunks(this.#plan, this.run.chunkSize, {
      ...this.member,
      nextStep: globalStep,
      windowEnd: globalStep + 1,
    });
  }

  locate(globalStep: number): { readonly epoch: number; readonly step: number } {
    return locate(this.#plan, globalStep);
  }
}
