import { type Store, WAKE_ADMISSION } from '@cropstream/broker';
import { failure } from '@cropstream/errors';
import type { Clock, Timer } from '@cropstream/runtime';
import type { Log } from './events.js';

/** How often the store is asked for a word, if nothing wakes. */
const ASK_MS = 500;
/** Without a word for so long, the operator is told who is waited for. */
const PATIENCE_MS = 10_000;

export interface AdmissionOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The worker's. */
  readonly id: string;
  /** As trainers are told it, and as coordinators dial it. */
  readonly address: string;
}

/**
 * Waits for a coordinator to admit this worker, which it does once it has reached it at its address. Admitted once is
 * admitted for life: the address stays, and a worker that starts again has another id.
 */
export class Admission {
  /** Resolves once it was admitted, and never if it is stopped before. */
  readonly whenAdmitted: Promise<void>;
  readonly #options: AdmissionOptions;
  #admit!: () => void;
  #admitted = false;
  #reason = '';
  #warned = false;
  #asking = false;
  #since = 0;
  #timer: Timer | null = null;
  #stopWakes: (() => void) | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.whenAdmitted = new Promise((resolve) => {
      this.#admit = resolve;
    });
  }

  get admitted(): boolean {
    return this.#admitted;
  }

  /** Asks until admitted or stopped. The worker is to have beaten before. */
  start(): void {
    const { store, clock } = this.#options;
    this.#since = clock.now();
    this.#stopWakes = store.onWake(WAKE_ADMISSION, () => void this.#ask());
    this.#schedule();
    void store.wake(WAKE_ADMISSION).catch(() => {});
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#stopWakes?.();
    this.#stopWakes = null;
  }

  #schedule(): void {
    this.#timer = this.#options.clock.timer(ASK_MS, () => {
      this.#schedule();
      void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#timer === null) return;
    this.#asking = true;
    try {
      this.#hear(await this.#options.store.verdict(this.#options.id));
    } catch {
      // The store is away: its beats say so.
    } finally {
      this.#asking = false;
    }
  }

  #hear(verdict: Awaited<ReturnType<Store['verdict']>>): void {
    const { clock, log, id: worker, address } = this.#options;
    if (verdict === null) {
      if (this.#warned || clock.now() - this.#since < PATIENCE_MS) return;
      this.#warned = true;
      log.warn({ worker, address }, 'waiting for a coordinator to dial this worker: is one running?');
    } else if (verdict.admitted) {
      this.#admitted = true;
      this.#admit();
      this.stop();
      log.info({ worker, address }, 'admitted: taking jobs');
    } else if (verdict.reason !== this.#reason) {
      this.#reason = verdict.reason;
      const err = failure('WORKER_REFUSED', { worker, address, reason: verdict.reason });
      log.error({ err, worker, address }, 'a coordinator refused this worker');
    }
  }
}
