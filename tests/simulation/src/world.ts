import type { VirtualClock } from '@cropstream/runtime/testing';
import type { Chance } from './chance.js';
import type { Scenario } from './scenario.js';

/** What a run did to its fleet, and what came of it. */
export interface Counts {
  /** Batches yielded and checked, those drawn again after a resume included. */
  batches: number;
  /** Chunks made. */
  made: number;
  crashes: number;
  pauses: number;
  /** Workers that beat and got nothing done. */
  hangs: number;
  /** Chunks given to a second worker, and those that it made first. */
  hedges: number;
  hedgesWon: number;
  cuts: number;
  outages: number;
  /** Calls that failed, were answered into the void or ran twice. */
  calls: number;
  wakesLost: number;
  jobsLost: number;
  jobsRepeated: number;
  damaged: number;
  resumes: number;
  /** Chunks that came whole through a coordinator. */
  relayed: number;
}

export const NO_COUNTS: Counts = {
  batches: 0,
  made: 0,
  crashes: 0,
  pauses: 0,
  hangs: 0,
  hedges: 0,
  hedgesWon: 0,
  cuts: 0,
  outages: 0,
  calls: 0,
  wakesLost: 0,
  jobsLost: 0,
  jobsRepeated: 0,
  damaged: 0,
  resumes: 0,
  relayed: 0,
};

/** What all parts of one simulated run share. */
export interface World {
  readonly seed: number;
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly chance: { readonly scenario: Chance; readonly network: Chance; readonly faults: Chance };
  readonly counts: Counts;
  /** The event log, where someone reads it. */
  readonly log: ((line: string) => void) | null;
  /** While faults happen; afterwards everything must come to its end. */
  hostile: boolean;
  /** Something that must never be. The first ends the run. */
  violation(what: string): void;
}
