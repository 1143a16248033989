import { cutChunks } from './chunk.js';
import { type EpochPlan, locate, rankRange } from './plan.js';

/** A trainer's window: which steps of the global stream its rank wants, [nextStep, windowEnd). */
export interface Window {
  readonly rank: number;
  readonly worldSize: number;
  readonly nextStep: number;
  readonly windowEnd: number;
}

/** A chunk that a window wants, and the global step that needs it. */
export interface WantedChunk {
  readonly step: number;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

/** The chunks of a window in the order they are needed. Costs O(window), whatever the epoch's length. */
export function wantedChunks(plan: EpochPlan, chunkSize: number, window: Window): WantedChunk[] {
  const wanted: WantedChunk[] = [];
  for (let globalStep = window.nextStep; globalStep < window.windowEnd; globalStep++) {
    const { epoch, step } = locate(plan, globalStep);
    for (const range of cutChunks(rankRange(plan, step, window.rank, window.worldSize), chunkSize)) {
      wanted.push({ step: globalStep, epoch, first: range.first, last: range.last });
    }
  }
  return wanted;
}
