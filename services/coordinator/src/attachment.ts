import { type AttachmentRecord, type ChunkName, chunkName } from '@cropstream/broker';
import { type CropstreamError, failure } from '@cropstream/errors';
import type { Attach, AttachResponse, Progress } from '@cropstream/protocol';
import type { Clock, Tracer } from '@cropstream/runtime';
import { locate, rankRange, type WantedChunk, wantedChunks } from '@cropstream/schedule';
import { BatchTraces } from './batch-traces.js';
import { Demand } from './demand.js';
import type { OpenRun } from './open-run.js';
import { type RankShape, stepsOfCredits } from './window.js';

/** The coordinator's end of a trainer's stream, whatever carries it. */
export interface AttachChannel {
  send(message: AttachResponse): void;
  /** Ends the stream, with the reason if it is an error. */
  end(error?: CropstreamError): void;
}

/** What a trainer took between two of its reports. */
export interface Taken {
  readonly steps: number;
  readonly samples: number;
  readonly waitedSeconds: number;
  readonly elapsedSeconds: number;
}

/** What a trainer was told of a chunk. */
interface Announced {
  readonly attempt: number;
  readonly workerId: string;
  /** The trainer could not have it there. */
  readonly lost: boolean;
}

export interface AttachmentOptions {
  readonly run: OpenRun;
  readonly hello: Attach;
  readonly channel: AttachChannel;
  /** The coordinator's id. */
  readonly coordinator: string;
  readonly maxWindowChunks: number;
  readonly clock: Clock;
  /** Null: nothing is traced. */
  readonly tracer: Tracer | null;
  /** What the store knows of the same process' attachment before this one. @default nothing */
  readonly before?: AttachmentRecord | undefined;
}

/**
 * One trainer process's stream: `(run, consumer, rank, world size)`. Holds the trainer's last full state and
 * what it was told since; all of it can be lost and is sent again at the next attach.
 */
export class Attachment {
  readonly announced = new Map<ChunkName, Announced>();
  /** Fetches that found the worker unreachable though it lives, by chunk. */
  readonly unreachable = new Map<ChunkName, number>();
  fencing = 0;
  /** True while the store does not know the newest cursors yet. */
  changed = true;
  renewedAt = Number.NEGATIVE_INFINITY;
  ended = false;

  #nextStep = 0;
  #windowEnd = 0;
  #held: ReadonlySet<ChunkName> = new Set();
  #wants: readonly (WantedChunk & { readonly name: ChunkName })[] = [];
  #credits = 0;
  #waitedSeconds = 0;
  #elapsedSeconds = 0;
  #reportedAt = 0;
  readonly #samplesPerStep: number;
  readonly #demand: Demand;
  readonly #traces: BatchTraces | null;
  readonly #options: AttachmentOptions;

  constructor(options: AttachmentOptions) {
    this.#options = options;
    const { tracer } = options;
    this.#traces = tracer && new BatchTraces(tracer, () => this.record);
    const { run, hello, before } = options;
    if (!hello.progress) {
      throw failure('SPEC_INVALID', {
        field: 'attach.progress',
        value: 'nothing',
        allowed: 'the cursor and the credits',
      });
    }
    const { first, last } = rankRange(run.plan, 0, hello.rank, hello.worldSize);
    this.#samplesPerStep = last - first;
    this.#demand = new Demand(this.#samplesPerStep, before?.demand);
    const step = Number(hello.progress.nextStep);
    // Not where it went to another step in between.
    if (before && step >= before.nextStep && step <= before.windowEnd) this.#demand.report(before);
    this.advance(hello.progress);
  }

  get run(): OpenRun {
    return this.#options.run;
  }

  get channel(): AttachChannel {
    return this.#options.channel;
  }

  get rank(): number {
    return this.#options.hello.rank;
  }

  get nextStep(): number {
    return this.#nextStep;
  }

  /** Of the next step. */
  get epoch(): number {
    return locate(this.run.plan, this.#nextStep).epoch;
  }

  get windowEnd(): number {
    return this.#windowEnd;
  }

  /** Chunks that its trainer has memory for, as far as they count here. */
  get credits(): number {
    return this.#credits;
  }

  /** The chunks of the window that the trainer does not hold, in the order it needs them. */
  get wants(): readonly (WantedChunk & { readonly name: ChunkName })[] {
    return this.#wants;
  }

  /**
   * Whether a wanted chunk still has to be found for the trainer. What it was told of it holds already, is fetching, or
   * will say it could not have: until then the chunk need not be made again, wherever it lies or not.
   */
  awaits(name: ChunkName): boolean {
    return this.announced.get(name)?.lost !== false;
  }

  get record(): AttachmentRecord {
    const { hello, coordinator } = this.#options;
    const { consumer, rank, worldSize, process, host, pid } = hello;
    return {
      runKey: this.run.key,
      runName: this.run.name,
      consumer,
      rank,
      worldSize,
      process,
      host,
      pid,
      coordinator,
      nextStep: this.#nextStep,
      windowEnd: this.#windowEnd,
      credits: this.#credits,
      waitedSeconds: this.#waitedSeconds,
      elapsedSeconds: this.#elapsedSeconds,
      demand: this.#demand.rate(this.#busySeconds),
      fencing: this.fencing,
    };
  }

  /** Takes over the trainer's full state; says what it took since the last. */
  advance(progress: Progress): Taken {
    const { run, hello, maxWindowChunks, clock } = this.#options;
    const nextStep = requireStep(progress.nextStep);
    const end = hello.endStep === undefined ? Number.MAX_SAFE_INTEGER : requireStep(hello.endStep);
    if (nextStep > end) {
      throw failure('STEP_OUT_OF_RANGE', { step: nextStep, reason: `the end asked for is step ${end}` });
    }
    const { rank, worldSize } = hello;
    const shape: RankShape = {
      plan: run.plan,
      chunkSize: run.chunkSize,
      sampleBytes: run.sampleBytes,
      rank,
      worldSize,
    };
    const credits = {
      chunks: Math.min(progress.creditChunks, maxWindowChunks),
      bytes: Number(progress.creditBytes),
    };
    const steps = Math.max(0, nextStep - this.#nextStep);
    const taken: Taken = {
      steps,
      samples: steps * this.#samplesPerStep,
      waitedSeconds: Math.max(0, progress.waitedSeconds - this.#waitedSeconds),
      elapsedSeconds: Math.max(0, progress.elapsedSeconds - this.#elapsedSeconds),
    };
    this.#nextStep = nextStep;
    this.#credits = credits.chunks;
    this.#waitedSeconds = progress.waitedSeconds;
    this.#elapsedSeconds = progress.elapsedSeconds;
    this.#reportedAt = clock.now();
    this.#demand.report({ ...progress, nextStep });
    this.#windowEnd = Math.min(nextStep + stepsOfCredits(shape, credits), end);
    this.#held = new Set(
      progress.held.map(({ epoch, first, last }) =>
        chunkName({ epoch: Number(epoch), first: Number(first), last: Number(last) }),
      ),
    );
    const window = { rank, worldSize, nextStep, windowEnd: this.#windowEnd };
    this.#wants = wantedChunks(run.plan, run.chunkSize, window)
      .map((chunk) => ({ ...chunk, name: chunkName(chunk) }))
      .filter(({ name }) => !this.#held.has(name));
    const wanted = new Set(this.#wants.map(({ name }) => name));
    for (const name of this.announced.keys()) if (!wanted.has(name)) this.announced.delete(name);
    for (const name of this.unreachable.keys()) if (!wanted.has(name)) this.unreachable.delete(name);
    this.changed = true;
    this.#traces?.advance(this.#nextStep, this.#windowEnd, taken.waitedSeconds);
    return taken;
  }

  /** The trace context of a step's batch; undefined where it is not traced. */
  traceOf(step: number): string | undefined {
    return this.#traces?.of(step);
  }

  end(error?: CropstreamError): void {
    if (this.ended) return;
    this.ended = true;
    this.#traces?.end(error?.problem ?? 'the trainer left');
    this.channel.end(error);
  }

  /** For how long the trainer has reported nothing though its next batch is made: it works on the one it has. */
  get #busySeconds(): number {
    for (const { step, name } of this.#wants) {
      if (step !== this.#nextStep) break;
      if (this.awaits(name)) return 0;
    }
    return (this.#options.clock.now() - this.#reportedAt) / 1000;
  }
}

function requireStep(step: bigint): number {
  if (step > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw failure('STEP_OUT_OF_RANGE', { step, reason: 'a global step is an integer in [0, 2^53)' });
  }
  return Number(step);
}
