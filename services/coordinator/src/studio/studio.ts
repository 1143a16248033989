import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { failure, toFailure } from '@cropstream/errors';
import type { Clock, Timer } from '@cropstream/runtime';
import { openPeer, processPort } from '@cropstream/runtime/threads';
import type { Logger } from 'pino';
import type { StudioCalls, StudioNeeds, StudioSettings } from './calls.js';

export interface StudioLimits {
  /** Requests that may wait for the one that is at work. */
  readonly previewQueue: number;
  /** A request that is not answered after so long fails, and what works at it is ended. */
  readonly previewMs: number;
}

export interface StudioOptions {
  readonly settings: StudioSettings;
  readonly limits: StudioLimits;
  readonly needs: StudioNeeds;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
}

/** The process is ended when nobody asked for so long: others have better use for its memory. */
const IDLE_MS = 60_000;
/** Of its JavaScript objects; pixels lie beyond that. */
const HEAP_MB = 512;
/** Variables that it has no use for. */
const SECRETS = /^(CROPSTREAM_(TOKEN|TLS)|REDIS_)/;

const CALLS = Object.keys({
  rows: true,
  sheet: true,
  source: true,
  view: true,
  batch: true,
  batchPiece: true,
  statistics: true,
  samples: true,
  preview: true,
  previewSheet: true,
} satisfies Record<keyof StudioCalls, true>) as (keyof StudioCalls)[];

/**
 * Makes pictures, replayed batches and statistics in a process of its own, one request at a time: no pixel is computed on
 * the coordinator's event loop, what a file does to a decoder stays there, and what takes too long is ended with it.
 */
export class Studio {
  /** Requests since the start, by how they ended. */
  readonly counts = { answered: 0, failed: 0, refused: 0, late: 0, left: 0 };
  readonly #options: StudioOptions;
  readonly #waiting: (() => void)[] = [];
  #busy = false;
  #process: ChildProcess | null = null;
  #calls: StudioCalls | null = null;
  #idle: Timer | null = null;
  #closed = false;

  constructor(options: StudioOptions) {
    this.#options = options;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Does `work` when it is its turn.
   *
   * @param what is asked for, for the error
   * @param gone aborts when nobody waits for the answer any more: before its turn, the work is not begun then
   * @throws API_BUSY, PREVIEW_TIMEOUT, CANCELLED, SHUTTING_DOWN, and what the work throws
   */
  async use<T>(what: string, gone: AbortSignal, work: (calls: StudioCalls) => Promise<T>): Promise<T> {
    const { limits, clock } = this.#options;
    if (this.#busy && this.#waiting.length >= limits.previewQueue) {
      this.counts.refused++;
      throw failure('API_BUSY', { what: 'previews and replays waiting', limit: limits.previewQueue });
    }
    let expire = () => {};
    const expired = new Promise<never>((_, reject) => {
      expire = () => reject(failure('PREVIEW_TIMEOUT', { what, seconds: limits.previewMs / 1000 }));
    });
    expired.catch(() => {});
    const deadline = clock.timer(limits.previewMs, expire);
    const left = new Promise<never>((_, reject) => {
      const leave = () => reject(failure('CANCELLED', { what }));
      if (gone.aborted) leave();
      else gone.addEventListener('abort', leave, { once: true });
    });
    const over = Promise.race([expired, left]);
    over.catch(() => {});
    try {
      await this.#turn(over);
      try {
        const made = await Promise.race([work(this.#start()), expired]);
        this.counts.answered++;
        return made;
      } catch (error) {
        // It is still at work at what nobody gets any more.
        if (isLate(error)) this.#end();
        throw error;
      } finally {
        this.#next();
      }
    } catch (thrown) {
      const error = this.#explained(thrown);
      if (isLate(error)) this.counts.late++;
      else if (error.code === 'CANCELLED') this.counts.left++;
      else this.counts.failed++;
      throw error;
    } finally {
      deadline.cancel();
    }
  }

  /** Ends the process; what is under way fails with SHUTTING_DOWN. */
  close(): void {
    this.#closed = true;
    this.#end();
  }

  async #turn(over: Promise<never>): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return;
    }
    let start = () => {};
    const turn = new Promise<void>((resolve) => {
      start = resolve;
    });
    this.#waiting.push(start);
    try {
      await Promise.race([turn, over]);
    } catch (error) {
      const at = this.#waiting.indexOf(start);
      // Its turn came in the same moment.
      if (at < 0) this.#next();
      else this.#waiting.splice(at, 1);
      throw error;
    }
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else {
      this.#busy = false;
      this.#idle?.cancel();
      this.#idle = this.#options.clock.timer(IDLE_MS, () => {
        if (!this.#busy) this.#end();
      });
    }
  }

  #start(): StudioCalls {
    if (this.#closed) throw failure('SHUTTING_DOWN', {});
    if (this.#calls !== null) return this.#calls;
    const { settings, needs } = this.#options;
    const script = fileURLToPath(new URL('./studio-process.js', import.meta.url));
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SECRETS.test(name)));
    const child = fork(script, [JSON.stringify(settings)], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const forget = () => {
      if (this.#process !== child) return;
      this.#process = null;
      this.#calls = null;
    };
    child.once('error', forget);
    const peer = openPeer<StudioCalls>(processPort(child), needs, { onClose: forget });
    // It is no reason for this process to live on.
    child.unref();
    child.channel?.unref();
    this.#process = child;
    this.#calls = peer.calls(CALLS);
    return this.#calls;
  }

  #end(): void {
    this.#idle?.cancel();
    this.#process?.kill('SIGKILL');
    this.#process = null;
    this.#calls = null;
  }

  /** What a request failed of: its process may have ended by itself. */
  #explained(thrown: unknown) {
    const error = toFailure(thrown);
    if (error.code !== 'SHUTTING_DOWN' || this.#closed) return error;
    this.#options.log.warn('the process that makes previews ended unexpectedly');
    return failure('INTERNAL', { reason: 'the process that makes previews ended' });
  }
}

const isLate = (error: unknown) => toFailure(error).code === 'PREVIEW_TIMEOUT';
