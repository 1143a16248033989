import { epochPlan } from '@cropstream/schedule';
import { parseSpec, type ResolvedSpec } from '@cropstream/spec';
import type { Chance } from './chance.js';

/** Bytes of one sample's only view, uint8 [3, 2, 2]. */
export const SAMPLE_BYTES = 12;
/** Its index and its label ride along. */
export const ROW_BYTES = SAMPLE_BYTES + 16;
export const FINGERPRINT = 'f0'.repeat(32);

const MAX_WORKERS = 3;

/** A worker that restarts comes back at the same address. */
export function workerAddress(slot: number): string {
  return `worker-${slot}:1`;
}

export interface RunScenario {
  readonly name: string;
  readonly spec: ResolvedSpec;
  readonly samples: number;
}

/** Steps drawn by one world size. */
export interface Phase {
  readonly worldSize: number;
  /** Exclusive. */
  readonly endStep: number;
}

export interface ConsumerScenario {
  readonly name: string;
  readonly run: RunScenario;
  readonly phases: readonly Phase[];
  readonly prefetchSteps: number;
  /** Between two batches. */
  readonly stepMs: number;
  /** A state is saved every so many steps. */
  readonly checkpointEvery: number;
  readonly allowUneven: boolean;
  readonly reach: Reach;
}

/** By which way a job's trainers draw, and what becomes of the workers' addresses that they dial. */
export interface Reach {
  readonly relay: 'auto' | 'always' | 'never';
  /** Addresses where nothing is reached. */
  readonly unreachable: readonly string[];
  /** Whether a dial in vain is answered, or its packets are dropped. */
  readonly refused: boolean;
}

/** The chances of one call, message or job to go wrong, and how often whole parts do, while the world is hostile. */
export interface Hostility {
  /** Mean milliseconds between faults of whole parts. */
  readonly everyMs: number;
  readonly kinds: readonly FaultKind[];
  readonly callFails: number;
  readonly answerLost: number;
  readonly callRepeated: number;
  readonly crashAtCall: number;
  readonly slowCall: number;
  readonly wakeLost: number;
  readonly wakeRepeated: number;
  readonly jobLost: number;
  readonly jobRepeated: number;
  readonly streamCut: number;
  readonly fetchCut: number;
  readonly damaged: number;
  readonly readyRepeated: number;
  readonly makeFails: number;
  readonly slowChunk: number;
}

export const FAULT_KINDS = [
  'crash worker',
  'crash coordinator',
  'crash trainer',
  'pause worker',
  'pause coordinator',
  'pause trainer',
  'hang worker',
  'stop worker',
  'stop coordinator',
  'take over',
  'cut streams',
  'outage',
  'lose run',
  'restart job',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Scenario {
  readonly runs: readonly RunScenario[];
  readonly consumers: readonly ConsumerScenario[];
  readonly workers: number;
  readonly coordinators: number;
  readonly worker: { readonly outboxChunks: number; readonly jobs: number; readonly makeMs: number };
  /** Of a usual message or call, at most. */
  readonly latencyMs: number;
  readonly keepAliveMs: number;
  /** A job lock of the broker. */
  readonly lockMs: number;
  /** Faults happen in [0, hostileMs). */
  readonly hostileMs: number;
  readonly hostility: Hostility;
}

const base = parseSpec(
  {
    name: 'base',
    dataset: { source: 'image-folder', url: '/simulated' },
    global_batch_size: 1,
    views: { view: { size: 2 } },
    exclude_fields: ['path'],
  },
  { samples: 1 },
);

/** A short run drawn from a seed: small numbers, so that windows, epochs and outboxes are met at their ends. */
export function drawScenario(chance: Chance, reachChance: Chance): Scenario {
  const runs = Array.from({ length: chance.happens(0.25) ? 2 : 1 }, (_, i) => drawRun(chance, `run-${i}`));
  const consumers = Array.from({ length: chance.integer(1, runs.length === 1 ? 2 : 3) }, (_, i) =>
    drawConsumer(chance, `job-${i}`, runs[i % runs.length] as RunScenario, drawReach(reachChance)),
  );
  return {
    runs,
    consumers,
    workers: chance.integer(1, MAX_WORKERS),
    coordinators: chance.integer(1, 2),
    worker: {
      // With fewer than two a run a worker is busier with whose turn it is than with making chunks.
      outboxChunks: chance.integer(runs.length === 1 ? 1 : 2 * runs.length, 12),
      jobs: chance.integer(1, 3),
      makeMs: chance.spread(2, 60),
    },
    latencyMs: chance.spread(0.5, 20),
    keepAliveMs: 6_000,
    lockMs: 4_000,
    hostileMs: chance.integer(1_500, 9_000),
    hostility: drawHostility(chance),
  };
}

function drawRun(chance: Chance, name: string): RunScenario {
  const globalBatch = chance.pick([2, 4, 6, 8, 12]);
  const dropLast = chance.happens(0.7);
  const samples = globalBatch * chance.integer(1, 9) + chance.integer(0, globalBatch - 1);
  const spec = {
    ...base,
    name,
    seed: chance.integer(0, 1000),
    global_batch_size: globalBatch,
    chunk_size: chance.integer(1, 5),
    shuffle: chance.happens(0.8),
    drop_last: dropLast,
  };
  return { name, spec, samples };
}

function drawReach(chance: Chance): Reach {
  const relay = chance.pick(['auto', 'auto', 'always', 'never'] as const);
  const refused = chance.happens(0.5);
  const unreachable = relay === 'never' ? 0 : chance.integer(0, MAX_WORKERS);
  return {
    relay,
    refused,
    unreachable: Array.from({ length: unreachable }, (_, slot) => workerAddress(slot)),
  };
}

function drawConsumer(chance: Chance, name: string, run: RunScenario, reach: Reach): ConsumerScenario {
  const globalBatch = run.spec.global_batch_size;
  const allowUneven = !run.spec.drop_last || chance.happens(0.2);
  const worlds = [1, 2, 3, 4].filter((w) => (allowUneven ? w <= globalBatch : globalBatch % w === 0));
  const steps = chance.integer(15, 60);
  const count = chance.happens(0.3) ? chance.integer(2, 3) : 1;
  const phases = Array.from({ length: count }, (_, i) => ({
    worldSize: chance.pick(worlds),
    endStep: Math.ceil((steps * (i + 1)) / count),
  }));
  return {
    name,
    run,
    phases,
    prefetchSteps: chance.integer(1, 5),
    stepMs: chance.spread(1, 80),
    checkpointEvery: chance.integer(1, 8),
    allowUneven,
    reach,
  };
}

function drawHostility(chance: Chance): Hostility {
  // A rate is often nothing: few faults at a time show more than a thunderstorm in which all starts over again.
  const rate = (most: number) => (chance.happens(0.5) ? 0 : chance.spread(most / 30, most));
  return {
    everyMs: chance.spread(200, 4_000),
    kinds: FAULT_KINDS.filter(() => chance.happens(0.5)),
    callFails: rate(0.02),
    answerLost: rate(0.02),
    callRepeated: rate(0.02),
    crashAtCall: rate(0.002),
    slowCall: rate(0.05),
    wakeLost: rate(1),
    wakeRepeated: rate(0.3),
    jobLost: rate(0.05),
    jobRepeated: rate(0.05),
    streamCut: rate(0.01),
    fetchCut: rate(0.05),
    damaged: rate(0.02),
    readyRepeated: rate(0.2),
    makeFails: rate(0.02),
    slowChunk: rate(0.05),
  };
}

export function planOf({ spec, samples }: RunScenario) {
  return epochPlan({ samples, globalBatchSize: spec.global_batch_size, dropLast: spec.drop_last });
}
