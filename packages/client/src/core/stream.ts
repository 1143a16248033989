import { type CropstreamError, type ErrorCode, failure } from '@cropstream/errors';
import {
  type Attach,
  type Attached,
  type ChunkReady,
  type ChunkWaiting,
  PROTOCOL_VERSION,
  type Progress,
} from '@cropstream/protocol';
import { type Clock, Watchdog } from '@cropstream/runtime';
import type { Selection } from './assembly.js';
import { Attachment } from './attachment.js';
import type { Batch } from './batch.js';
import { Fetcher } from './fetcher.js';
import { triedFor } from './persist.js';
import { type RelayMode, Routes } from './routes.js';
import type { RunInfo } from './run.js';
import { rangeOf } from './slots.js';
import { describeWait } from './stall.js';
import type { Transport } from './transport.js';
import type { Prefetch, Rank } from './window.js';
import { StepWindow } from './window.js';

/** Who draws, as the coordinator is told. */
export interface Identity extends Rank {
  /** The job id that the ranks of one training job share. */
  readonly consumer: string;
  /** Fresh for each loader: its own reconnect is no second attachment. */
  readonly process: string;
  readonly host: string;
  readonly pid: number;
  /** Ends a live attachment of the same rank, at the first attach. */
  readonly takeover: boolean;
  readonly allowUneven: boolean;
}

export interface StreamOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  /** In [0, 1): for the waits between tries. Never for data. */
  readonly random: () => number;
  readonly run: RunInfo;
  readonly identity: Identity;
  readonly startStep: number;
  /** Exclusive; null: for ever. */
  readonly endStep: number | null;
  readonly prefetch: Prefetch;
  readonly selection: Selection;
  readonly relay: RelayMode;
  /** Called once: a worker could not be reached from here, and its chunks come through the coordinator. */
  readonly relaying: (problem: string) => void;
  /** The longest wait for one batch. */
  readonly timeoutMs: number;
}

/** Errors that end a stream though batches are there: another process draws them now, or nobody wants them. */
const AT_ONCE: ReadonlySet<string> = new Set<ErrorCode>(['SUPERSEDED', 'CANCELLED']);

interface Waiter {
  resolve(batch: Batch | null): void;
  reject(error: CropstreamError): void;
}

/**
 * One rank's batches, each once, in the order of the global step, whatever arrives when. Holds at most its window of
 * steps; a step is acknowledged when its batch is yielded.
 */
export class BatchStream {
  readonly #options: StreamOptions;
  readonly #window: StepWindow;
  readonly #attachment: Attachment;
  readonly #fetcher: Fetcher;
  readonly #openedAt: number;
  #nextStep: number;
  /** The step that the coordinator was told last, by an attach or since. */
  #toldStep = -1;
  #takeover: boolean;
  #fatal: CropstreamError | null = null;
  #waiting: ChunkWaiting | null = null;
  #waiters: Waiter[] = [];
  #waitingSince = 0;
  #waitedMs = 0;
  #watchdog: Watchdog | null = null;
  #attached: Waiter | null = null;

  /** @throws WINDOW_TOO_SMALL, RANK_OUT_OF_RANGE, NO_FULL_STEP */
  constructor(options: StreamOptions) {
    const { transport, clock, random, run, identity } = options;
    this.#options = options;
    this.#window = new StepWindow(run, identity, options.prefetch);
    this.#nextStep = options.startStep;
    this.#takeover = identity.takeover;
    this.#openedAt = clock.now();
    this.#fetcher = new Fetcher(
      {
        ...{ transport, clock, random, window: this.#window, selection: options.selection },
        routes: new Routes(options.relay, clock, options.relaying),
        process: identity.process,
      },
      {
        settled: () => this.#settle(),
        nack: (value) => this.#attachment.send({ message: { $case: 'nack', value } }),
        refused: (error) => this.#fail(error),
      },
    );
    this.#attachment = new Attachment(transport, clock, random, {
      describe: () => this.#describe(),
      attached: (attached) => this.#onAttached(attached),
      ready: (ready) => this.#onReady(ready),
      waiting: (waiting) => {
        this.#waiting = waiting;
        // Somebody wants it so: the time for the batch begins when the run goes on.
        if (waiting.runPaused) this.#watchdog?.feed();
      },
      reopen: () => this.#reopen(),
      fatal: (error) => this.#fail(error),
    });
  }

  /** The step of the batch that comes next: all before it were yielded. */
  get nextStep(): number {
    return this.#nextStep;
  }

  /** Bytes of the tensors that are held or being filled. */
  get heldBytes(): number {
    return this.#fetcher.heldBytes;
  }

  /** Bytes that may be held. */
  get creditBytes(): number {
    return this.#window.creditBytes;
  }

  /** Attaches; resolves once a coordinator agreed. */
  async start(limitMs: number): Promise<void> {
    if (this.#fatal !== null) throw this.#fatal;
    if (this.#finished) return;
    const { clock } = this.#options;
    const agreed = new Promise<unknown>((resolve, reject) => {
      this.#attached = { resolve, reject };
    });
    const watchdog = new Watchdog(clock, limitMs, () => this.#fail(this.#unreachable(limitMs)));
    this.#attend();
    try {
      await agreed;
    } finally {
      watchdog.stop();
      this.#attached = null;
    }
  }

  /** The next batch; null once the end step is reached. Calls are served in order. */
  next(): Promise<Batch | null> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#waiters.length === 1) this.#beginWait();
      this.#settle();
    });
  }

  /** Goes to another step: what is held of the new window stays, the rest is dropped. Who waits gets that step. */
  seek(step: number): void {
    if (step === this.#nextStep) return;
    this.#nextStep = step;
    if (this.#fatal === null) this.#attend('again');
    this.#settle();
  }

  /** Ends the stream and lets go of what it holds; who waits gets the error. */
  close(error: CropstreamError): void {
    this.#fail(error);
    this.#fetcher.move(this.#nextStep, this.#nextStep);
  }

  get #end(): number {
    return this.#options.endStep ?? Number.MAX_SAFE_INTEGER;
  }

  get #finished(): boolean {
    return this.#nextStep >= this.#end;
  }

  /** Attached exactly while there is something to want. */
  #attend(again?: 'again'): void {
    this.#fetcher.move(this.#nextStep, this.#end);
    if (this.#finished) this.#attachment.stop();
    else if (again) this.#attachment.restart();
    else this.#attachment.start();
  }

  #describe(): Attach {
    const { run, identity, endStep } = this.#options;
    return {
      protocolVersion: PROTOCOL_VERSION,
      run: run.name,
      runDigest: run.digest,
      consumer: identity.consumer,
      rank: identity.rank,
      worldSize: identity.worldSize,
      takeover: this.#takeover,
      allowUneven: identity.allowUneven,
      process: identity.process,
      host: identity.host,
      pid: identity.pid,
      endStep: endStep === null ? undefined : BigInt(endStep),
      progress: this.#progress(),
    };
  }

  #progress(): Progress {
    const now = this.#options.clock.now();
    const waiting = this.#waiters.length > 0 ? now - this.#waitingSince : 0;
    this.#toldStep = this.#nextStep;
    return {
      nextStep: BigInt(this.#nextStep),
      creditChunks: this.#window.creditChunks,
      creditBytes: BigInt(this.#window.creditBytes),
      held: this.#fetcher.held(),
      waitedSeconds: (this.#waitedMs + waiting) / 1000,
      elapsedSeconds: (now - this.#openedAt) / 1000,
    };
  }

  #onAttached({ run }: Attached): void {
    // A later attach of ours must not throw out whoever took over meanwhile.
    this.#takeover = false;
    const problem = run === undefined ? null : this.#difference(run);
    if (problem !== null) {
      this.#fail(problem);
      return;
    }
    // Yielded while the coordinator had not answered yet: without this it would keep to a window that is past.
    if (this.#toldStep !== this.#nextStep) this.#tell();
    this.#attached?.resolve(null);
  }

  #onReady({ chunk, attempt, location, bytes, traceparent }: ChunkReady): void {
    if (chunk === undefined || location === undefined) return;
    this.#fetcher.announce(rangeOf(chunk), { attempt, location, bytes: Number(bytes), traceparent });
  }

  async #reopen(): Promise<void> {
    const { transport, run } = this.#options;
    const problem = this.#difference(await transport.openRun(run.specJson));
    if (problem !== null) throw problem;
  }

  /** A run opened again must be the same: same samples, same pixels. */
  #difference(open: { digest: string; fingerprint: string }): CropstreamError | null {
    const { run } = this.#options;
    if (open.digest !== run.digest) {
      return failure('STATE_MISMATCH', { field: 'run_digest', saved: run.digest, current: open.digest });
    }
    if (open.fingerprint !== run.fingerprint) {
      return failure('FINGERPRINT_MISMATCH', { given: run.fingerprint, expected: open.fingerprint });
    }
    return null;
  }

  #settle(): void {
    while (this.#waiters.length > 0) {
      const fatal = this.#fatal;
      if (fatal !== null && AT_ONCE.has(fatal.code)) this.#reject(fatal);
      else if (this.#finished) this.#serve(null);
      else if (this.#fetcher.complete(this.#nextStep)) this.#yield();
      else if (fatal !== null && !this.#fetcher.underway(this.#nextStep)) this.#reject(fatal);
      else return;
    }
  }

  #yield(): void {
    const batch = this.#fetcher.take(this.#nextStep);
    this.#nextStep++;
    this.#serve(batch);
    if (this.#fatal !== null) return;
    if (this.#attachment.state === 'attached') this.#tell();
    this.#attend();
  }

  #tell(): void {
    this.#attachment.send({ message: { $case: 'progress', value: this.#progress() } });
  }

  #serve(batch: Batch | null): void {
    this.#endWait();
    this.#waiters.shift()?.resolve(batch);
    if (this.#waiters.length > 0) this.#beginWait();
  }

  #reject(error: CropstreamError): void {
    this.#endWait();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #beginWait(): void {
    const { clock, timeoutMs } = this.#options;
    this.#waitingSince = clock.now();
    this.#watchdog = new Watchdog(clock, timeoutMs, () => this.#stalled());
  }

  #endWait(): void {
    this.#watchdog?.stop();
    this.#waitedMs += this.#options.clock.now() - this.#waitingSince;
  }

  /** The wait for one batch is over; the stream itself goes on, and a later call may have more luck. */
  #stalled(): void {
    const { clock, identity, timeoutMs } = this.#options;
    const { state, trouble } = this.#attachment;
    if (state !== 'attached' && trouble !== null) {
      this.#reject(triedFor(trouble, timeoutMs));
      return;
    }
    const waiting = describeWait(this.#fetcher.slotsOf(this.#nextStep), this.#waiting, clock.now());
    this.#reject(
      failure('STREAM_STALLED', {
        rank: identity.rank,
        seconds: timeoutMs / 1000,
        step: this.#nextStep,
        waiting,
      }),
    );
  }

  #unreachable(limitMs: number): CropstreamError {
    const { trouble } = this.#attachment;
    if (trouble !== null) return triedFor(trouble, limitMs);
    const { target } = this.#options.transport;
    return failure('UNREACHABLE', { target, reason: `no answer for ${limitMs / 1000} s` });
  }

  /** Nothing new is announced any more; what was, is still fetched and yielded, unless the error forbids it. */
  #fail(error: CropstreamError): void {
    if (this.#fatal !== null) return;
    this.#fatal = error;
    this.#attachment.stop();
    this.#attached?.reject(error);
    this.#settle();
  }
}
