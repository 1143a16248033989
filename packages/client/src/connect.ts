import { hostname } from 'node:os';
import { CropstreamError, failure } from '@cropstream/errors';
import type { RunInfo as WireRunInfo } from '@cropstream/protocol';
import { systemClock, systemRandomness } from '@cropstream/runtime';
import { checkWorld } from '@cropstream/schedule';
import { persist } from './core/persist.js';
import { describeRun, planOf, type RunInfo } from './core/run.js';
import { BatchStream } from './core/stream.js';
import type { Transport } from './core/transport.js';
import type { Prefetch } from './core/window.js';
import type { LoaderOptions, Settings } from './options.js';
import { checkState, type LoaderState } from './state.js';

/** How long a coordinator is tried before it is said to be unreachable, where the user's own limit is not shorter. */
const CONNECT_MS = 10_000;
const DEFAULT_PREFETCH_STEPS = 4;
const DEFAULT_PREFETCH_BYTES = 2 ** 30;

export interface Connection {
  readonly run: RunInfo;
  readonly stream: BatchStream;
  /** Batches of one iteration. */
  readonly length: number;
  /** For the first attach. */
  readonly limitMs: number;
}

/** Finds or opens the run, checks all that can be checked before attaching, and prepares the rank's stream. */
export async function connect(
  options: LoaderOptions,
  settings: Settings,
  state: LoaderState | null,
  transport: Transport,
  relaying: (problem: string) => void,
): Promise<Connection> {
  const { clock = systemClock, randomness = systemRandomness, signal } = options;
  const random = () => randomness.uniform();
  const limitMs = Math.min(CONNECT_MS, settings.timeoutMs);
  const found = await persist({ clock, random, limitMs, signal }, () => findRun(transport, settings, state));
  const run = describeRun(found);
  if (state !== null) checkState(state, run);
  const { rank, worldSize, allowUneven, takeover, consumer, timeoutMs } = settings;
  checkWorld(planOf(run), { rank, worldSize, allowUneven });
  const length = epochLength(run, settings.epochSize);
  const startStep = state?.global_step ?? settings.startStep ?? 0;
  const endStep = settings.endStep ?? null;
  // A state at the end is that of a finished job, and no error: there is nothing left to draw.
  if (state === null && endStep !== null && startStep >= endStep) {
    throw failure('STEP_OUT_OF_RANGE', { step: startStep, reason: `the end asked for is step ${endStep}` });
  }
  const identity = {
    rank,
    worldSize,
    allowUneven,
    takeover,
    consumer,
    process: randomness.id(),
    host: hostname(),
    pid: process.pid,
  };
  const excludeFields = knownFields(run, settings.excludeFields);
  const stream = new BatchStream({
    transport,
    clock,
    random,
    run,
    identity,
    startStep,
    endStep,
    prefetch: prefetchOf(run, settings),
    selection: { params: settings.params, excludeFields },
    relay: settings.relay,
    relaying,
    timeoutMs,
  });
  return { run, stream, length, limitMs };
}

async function findRun(
  transport: Transport,
  { run, spec }: Settings,
  state: LoaderState | null,
): Promise<WireRunInfo> {
  if (spec !== undefined) return transport.openRun(JSON.stringify(spec));
  if (state === null) return transport.getRun(run ?? '');
  try {
    return await transport.getRun(state.run);
  } catch (error) {
    if (!(error instanceof CropstreamError) || error.code !== 'RUN_NOT_FOUND') throw error;
    return transport.openRun(state.spec_json);
  }
}

function epochLength(run: RunInfo, epochSize: number | undefined): number {
  if (epochSize === undefined) return run.stepsPerEpoch;
  const steps = Math.floor(epochSize / run.globalBatchSize);
  if (steps < 1) {
    const allowed = `at least one global batch of ${run.globalBatchSize} samples`;
    throw failure('SPEC_INVALID', { field: 'options.epochSize', value: epochSize, allowed });
  }
  return steps;
}

function knownFields(run: RunInfo, names: readonly string[]): ReadonlySet<string> {
  const known = run.fields.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const allowed =
      known.length > 0 ? `some of ${known.join(', ')}` : 'nothing: this run has no other fields';
    throw failure('SPEC_INVALID', { field: 'options.excludeFields', value: unknown, allowed });
  }
  return new Set(names);
}

/** Bytes that the user named are a limit; the default only keeps large batches from being held by fours. */
function prefetchOf(run: RunInfo, { prefetch, worldSize }: Settings): Prefetch {
  const steps = prefetch?.steps ?? DEFAULT_PREFETCH_STEPS;
  if (prefetch?.bytes !== undefined) return { steps, bytes: prefetch.bytes };
  const stepBytes = Math.ceil(run.globalBatchSize / worldSize) * run.sampleBytes;
  if (prefetch?.steps !== undefined) return { steps, bytes: null };
  return { steps, bytes: Math.max(DEFAULT_PREFETCH_BYTES, stepBytes) };
}
