import { failure } from '@cropstream/errors';

export interface EpochPlanOptions {
  /** Samples in the dataset, at least 1. */
  readonly samples: number;
  /** Samples in one step over all ranks, at least 1. */
  readonly globalBatchSize: number;
  /** True leaves out the samples after the last full step. */
  readonly dropLast: boolean;
}

/** The steps of an epoch; the same for every rank and every world size. */
export interface EpochPlan extends EpochPlanOptions {
  readonly stepsPerEpoch: number;
}

/** Positions [first, last) of an epoch's order. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** One rank of a training job. */
export interface WorldMember {
  readonly rank: number;
  readonly worldSize: number;
  /** True for trainers that accept batches which differ by one sample between ranks. */
  readonly allowUneven?: boolean;
}

/**
 * Cuts an epoch into steps.
 *
 * @throws NO_FULL_STEP when dropLast leaves nothing
 * @throws SPEC_INVALID for counts that are not positive integers
 */
export function epochPlan({ samples, globalBatchSize, dropLast }: EpochPlanOptions): EpochPlan {
  requirePositive('samples', samples);
  requirePositive('global_batch_size', globalBatchSize);
  const fullSteps = Math.floor(samples / globalBatchSize);
  if (dropLast && fullSteps === 0) {
    throw failure('NO_FULL_STEP', { samples, global_batch_size: globalBatchSize });
  }
  const stepsPerEpoch = dropLast ? fullSteps : Math.ceil(samples / globalBatchSize);
  return { samples, globalBatchSize, dropLast, stepsPerEpoch };
}

/**
 * Where a global step lies. The global step is the whole of a resume cursor: nothing else is saved.
 *
 * @throws STEP_OUT_OF_RANGE unless `globalStep` is an integer in [0, 2^53)
 */
export function locate(plan: EpochPlan, globalStep: number): { epoch: number; step: number } {
  requireStep(globalStep, Number.MAX_SAFE_INTEGER, 'a global step is an integer in [0, 2^53)');
  const step = globalStep % plan.stepsPerEpoch;
  return { epoch: (globalStep - step) / plan.stepsPerEpoch, step };
}

/**
 * The inverse of `locate`.
 *
 * @throws STEP_OUT_OF_RANGE for a step outside the epoch or past 2^53
 */
export function globalStep(plan: EpochPlan, at: { epoch: number; step: number }): number {
  requireStepOfEpoch(plan, at.step);
  const step = at.epoch * plan.stepsPerEpoch + at.step;
  requireStep(step, Number.MAX_SAFE_INTEGER, 'a global step is an integer in [0, 2^53)');
  return step;
}

/**
 * The positions of one step: [step * G, (step + 1) * G), cut at the dataset's end in a tail.
 *
 * @throws STEP_OUT_OF_RANGE for a step outside the epoch
 */
export function stepRange(plan: EpochPlan, step: number): Range {
  requireStepOfEpoch(plan, step);
  const first = step * plan.globalBatchSize;
  return { first, last: Math.min(first + plan.globalBatchSize, plan.samples) };
}

/**
 * The r-th of `worldSize` consecutive slices of a step. Joined in rank order the slices are the step;
 * they differ by one sample at most, the longer ones first. In a tail of fewer samples than ranks the
 * last ranks' slices are empty.
 *
 * @throws RANK_OUT_OF_RANGE, STEP_OUT_OF_RANGE
 */
export function rankRange(plan: EpochPlan, step: number, rank: number, worldSize: number): Range {
  requireRank(rank, worldSize);
  const { first, last } = stepRange(plan, step);
  const short = Math.floor((last - first) / worldSize);
  const longer = (last - first) % worldSize;
  const start = (r: number) => first + r * short + Math.min(r, longer);
  return { first: start(rank), last: start(rank + 1) };
}

/**
 * Whether a world of that size can draw from the plan.
 *
 * @throws RANK_OUT_OF_RANGE for a rank outside [0, worldSize)
 * @throws WORLD_INDIVISIBLE, UNEVEN_TAIL when slices would be uneven and that is not allowed
 */
export function checkWorld(plan: EpochPlan, { rank, worldSize, allowUneven }: WorldMember): void {
  requireRank(rank, worldSize);
  if (allowUneven) return;
  if (plan.globalBatchSize % worldSize !== 0) {
    throw failure('WORLD_INDIVISIBLE', { global_batch_size: plan.globalBatchSize, world_size: worldSize });
  }
  const tail = plan.dropLast ? 0 : plan.samples % plan.globalBatchSize;
  if (tail % worldSize !== 0) throw failure('UNEVEN_TAIL', { tail, world_size: worldSize });
}

function requirePositive(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw failure('SPEC_INVALID', { field, value, allowed: 'an integer of at least 1' });
  }
}

function requireRank(rank: number, worldSize: number): void {
  const inWorld =
    Number.isSafeInteger(worldSize) && Number.isSafeInteger(rank) && rank >= 0 && rank < worldSize;
  if (!inWorld) throw failure('RANK_OUT_OF_RANGE', { rank, world_size: worldSize });
}

function requireStepOfEpoch(plan: EpochPlan, step: number): void {
  requireStep(step, plan.stepsPerEpoch - 1, `an epoch of this run has ${plan.stepsPerEpoch} steps`);
}

function requireStep(step: number, max: number, reason: string): void {
  if (!Number.isSafeInteger(step) || step < 0 || step > max) {
    throw failure('STEP_OUT_OF_RANGE', { step, reason });
  }
}
