import { type CropstreamError, type LoaderState, MultiCropLoader } from '@cropstream/client';
import { toFailure } from '@cropstream/errors';
import { sleep } from '@cropstream/runtime';
import { SeededRandomness } from '@cropstream/runtime/testing';
import { Expected } from './chunks.js';
import type { Network } from './network.js';
import { TARGET } from './network.js';
import { Part } from './part.js';
import { type ConsumerScenario, type Phase, planOf } from './scenario.js';
import type { World } from './world.js';

/** What a stopped process leaves behind: the trainer that is started after it goes on from here. */
interface Checkpoint {
  readonly step: number;
  readonly state: LoaderState | null;
}

/** The longest wait of one batch. */
const TIMEOUT_MS = 60_000;

/** Errors that end a process and that the next one may not meet: others are defects. */
const PASSING: ReadonlySet<string> = new Set([
  'UNREACHABLE',
  'STREAM_STALLED',
  'RANK_TAKEN',
  'WORLD_MISMATCH',
  'SUPERSEDED',
  'SHUTTING_DOWN',
  // Found the run closed, and had nothing to open it from: started by its name alone.
  'RUN_NOT_FOUND',
]);

export interface TrainerProcess {
  readonly part: Part;
  loader: MultiCropLoader | null;
}

/** One rank of one job over one world size: its processes, one after another, sometimes two at a time. */
export class RankSlot {
  /** The process that counts; an older one may still run. */
  current: TrainerProcess | null = null;
  readonly processes = new Set<TrainerProcess>();
  checkpoint: Checkpoint;
  done = false;
  /** When it began, yielded last, or is excused until. */
  lastYieldAt: number;
  #incarnation = 0;
  #reported = false;

  constructor(
    readonly job: Job,
    readonly rank: number,
    readonly phase: Phase,
    startStep: number,
    state: LoaderState | null,
  ) {
    this.checkpoint = { step: startStep, state };
    this.lastYieldAt = job.world.clock.now();
  }

  get name(): string {
    return `${this.job.scenario.name}/${this.rank}of${this.phase.worldSize}`;
  }

  /** Starts a process; with `takeover` beside a living one. */
  start(takeover: boolean): void {
    const { world } = this.job;
    if (this.done || this.job.finished) return;
    const part = new Part(`${this.name}.${++this.#incarnation}`, world);
    const process: TrainerProcess = { part, loader: null };
    this.current = process;
    this.processes.add(process);
    world.log?.(`${part.name} starts at step ${this.checkpoint.step}${takeover ? ', taking over' : ''}`);
    part.onCrash(() => this.#ended(process, null));
    part.enter(() => {
      this.#run(process, takeover).then(
        () => this.#ended(process, null),
        (thrown: unknown) => this.#ended(process, toFailure(thrown)),
      );
    });
  }

  async #run(process: TrainerProcess, takeover: boolean): Promise<void> {
    const { job, rank, phase, checkpoint } = this;
    const { world, scenario, expected } = job;
    const { part } = process;
    const { chance, counts } = world;
    let next = checkpoint.step;
    if (checkpoint.state) counts.resumes++;
    const loader = await MultiCropLoader.open({
      target: TARGET,
      ...(checkpoint.state
        ? { state: checkpoint.state }
        : { spec: JSON.parse(JSON.stringify(scenario.run.spec)), startStep: next }),
      rank,
      worldSize: phase.worldSize,
      consumer: scenario.name,
      allowUneven: scenario.allowUneven,
      prefetch: { steps: scenario.prefetchSteps },
      endStep: phase.endStep,
      endless: true,
      takeover,
      timeoutMs: TIMEOUT_MS,
      relay: scenario.reach.relay,
      clock: part.clock,
      randomness: new SeededRandomness(chance.scenario.word()),
      transport: job.network.transportOf(part, scenario.reach),
    });
    process.loader = loader;
    for await (const batch of loader) {
      if (!part.alive) return;
      const problem = expected.problem(batch, next, rank, phase.worldSize);
      if (problem) world.violation(`${part.name}: ${problem}`);
      next++;
      counts.batches++;
      job.waited(world.clock.now() - Math.max(this.lastYieldAt, world.scenario.hostileMs));
      this.lastYieldAt = world.clock.now();
      world.log?.(`${part.name} draws step ${batch.globalStep}`);
      const state = loader.stateDict();
      if (process === this.current && next % scenario.checkpointEvery === 0) {
        this.checkpoint = { step: next, state };
      }
      await sleep(part.clock, scenario.stepMs * (0.5 + chance.network.uniform()));
    }
    if (!part.alive) return;
    if (next !== phase.endStep) world.violation(`${part.name} ended at step ${next}, not ${phase.endStep}`);
    this.checkpoint = { step: next, state: loader.stateDict() };
    await loader.close();
    if (process === this.current) this.done = true;
  }

  #ended(process: TrainerProcess, error: CropstreamError | null): void {
    const { job } = this;
    const { world } = job;
    if (!this.processes.delete(process)) return;
    if (error) {
      world.log?.(`${process.part.name} ends: ${error.code}: ${error.problem}`);
      if (!PASSING.has(error.code) && !job.mayFail(error)) {
        world.violation(`${process.part.name} ended with ${error.code}: ${error.message}`);
      }
      // A process that ends takes its connections with it.
      process.part.crash('as it ended with an error');
    }
    if (!job.slots.includes(this)) return;
    if (this.done) {
      if (this.#reported) return;
      this.#reported = true;
      job.rankDone();
    } else if (process === this.current) {
      this.current = null;
      const wait = error?.code === 'CHUNK_FAILED' ? 61_000 : world.chance.faults.spread(10, 2_000);
      if (error?.code === 'CHUNK_FAILED') this.lastYieldAt = world.clock.now() + wait;
      world.clock.timer(wait, () => {
        if (!this.current && job.slots.includes(this)) this.start(world.chance.faults.happens(0.5));
      });
    }
  }
}

/** One training job: its ranks, and the world sizes it goes through. */
export class Job {
  slots: RankSlot[] = [];
  finished = false;
  /** Of any rank since the faults ended; the trainers' own steps and restarts included. */
  longestWaitMs = 0;
  readonly expected: Expected;
  #phase = -1;

  constructor(
    readonly scenario: ConsumerScenario,
    readonly network: Network,
    readonly mayFail: (error: CropstreamError) => boolean,
  ) {
    this.expected = new Expected(scenario.run);
  }

  get world(): World {
    return this.network.world;
  }

  /** Chunks that all ranks together have memory for. */
  get windowChunks(): number {
    const { run, prefetchSteps } = this.scenario;
    const { globalBatchSize } = planOf(run);
    const most = Math.max(...this.scenario.phases.map(({ worldSize }) => worldSize));
    return prefetchSteps * (globalBatchSize / run.spec.chunk_size + most);
  }

  waited(ms: number): void {
    this.longestWaitMs = Math.max(this.longestWaitMs, ms);
  }

  start(): void {
    this.#begin(0, 0, null);
  }

  /** All ranks are killed and started again from their last common checkpoint, perhaps as another world. */
  restart(worldSize: number): void {
    const phase = this.scenario.phases[this.#phase];
    if (this.finished || !phase || this.slots.length === 0) return;
    const { step } = this.slots.reduce((a, b) => (a.checkpoint.step <= b.checkpoint.step ? a : b)).checkpoint;
    const state =
      this.slots.map(({ checkpoint }) => checkpoint.state).find((saved) => saved !== null) ?? null;
    const old = this.slots;
    this.slots = [];
    for (const slot of old) for (const { part } of slot.processes) part.crash('with its whole job');
    this.world.log?.(`${this.scenario.name} starts again at step ${step} with world size ${worldSize}`);
    this.#spawn({ ...phase, worldSize }, step, state && { ...state, global_step: step });
  }

  rankDone(): void {
    if (!this.slots.every(({ done }) => done)) return;
    const phase = this.scenario.phases[this.#phase] as Phase;
    const state = this.slots[0]?.checkpoint.state ?? null;
    this.#begin(this.#phase + 1, phase.endStep, state);
  }

  #begin(index: number, step: number, state: LoaderState | null): void {
    this.#phase = index;
    const phase = this.scenario.phases[index];
    this.finished = phase === undefined;
    if (phase) this.#spawn(phase, step, state);
  }

  #spawn(phase: Phase, step: number, state: LoaderState | null): void {
    this.slots = Array.from(
      { length: phase.worldSize },
      (_, rank) => new RankSlot(this, rank, phase, step, state),
    );
    for (const slot of [...this.slots]) slot.start(false);
  }
}
