import { constants } from 'node:os';
import type { Clock } from './clock.js';
import type { Logger } from './log.js';

type Signal = 'SIGTERM' | 'SIGINT';

/** What Shutdown needs of a process. */
export interface ProcessLike {
  on(signal: Signal, listener: (signal: Signal) => void): unknown;
  off(signal: Signal, listener: (signal: Signal) => void): unknown;
  exit(code: number): void;
}

export interface ShutdownOptions {
  readonly log: Logger;
  readonly clock: Clock;
  /** How long all closers together may take. */
  readonly graceMs: number;
  /** @default the process itself */
  readonly process?: ProcessLike;
}

/**
 * An orderly end: what was opened last is closed first, one after the other, within a grace. Ends the process with 0,
 * with 1 where a closer failed or the grace ran out, and with the signal's own code (128 + its number) where a second
 * signal forces it.
 */
export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #process: ProcessLike;
  readonly #closers: { readonly name: string; readonly close: () => Promise<void> }[] = [];
  readonly #abort = new AbortController();
  #done: Promise<void> | undefined;

  constructor(options: ShutdownOptions) {
    this.#options = options;
    this.#process = options.process ?? process;
  }

  /** Aborts when the end begins. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Adds what is to be closed, before all that was added earlier. */
  add(name: string, close: () => Promise<void>): void {
    this.#closers.push({ name, close });
  }

  /** Ends on SIGTERM and SIGINT; a second signal of either kind ends at once. */
  listen(): void {
    this.#process.on('SIGTERM', this.#onSignal);
    this.#process.on('SIGINT', this.#onSignal);
  }

  /** Begins the end, or joins the one under way. Resolves after `exit` was called. */
  end(reason: string): Promise<void> {
    this.#done ??= this.#end(reason);
    return this.#done;
  }

  readonly #onSignal = (signal: Signal): void => {
    if (this.#done === undefined) {
      void this.end(signal);
      return;
    }
    this.#options.log.warn({ signal }, 'a second signal: ending at once');
    this.#process.exit(128 + constants.signals[signal]);
  };

  async #end(reason: string): Promise<void> {
    const { log, clock, graceMs } = this.#options;
    log.info({ reason }, 'shutting down');
    this.#abort.abort();
    let closing = '';
    let failed = false;
    const closeAll = async () => {
      for (let next = this.#closers.pop(); next !== undefined; next = this.#closers.pop()) {
        closing = next.name;
        try {
          await next.close();
        } catch (err) {
          failed = true;
          log.error({ err, closing }, 'closing failed');
        }
      }
      return 'closed' as const;
    };
    const grace = new Promise<'late'>((resolve) => {
      const timer = clock.timer(graceMs, () => resolve('late'));
      this.#cancelGrace = () => timer.cancel();
    });
    const outcome = await Promise.race([closeAll(), grace]);
    this.#cancelGrace();
    if (outcome === 'late') log.error({ closing, graceMs }, 'the grace ran out');
    this.#process.off('SIGTERM', this.#onSignal);
    this.#process.off('SIGINT', this.#onSignal);
    this.#process.exit(failed || outcome === 'late' ? 1 : 0);
  }

  #cancelGrace: () => void = () => undefined;
}
