import { type Store, type Verdict, WAKE_ADMISSION, type WorkerRecord } from '@cropstream/broker';
import { CropstreamError, failure } from '@cropstream/errors';
import { fromStatus, PROTOCOL_VERSION, workerHealthName } from '@cropstream/protocol';
import type { Clock, Logger, Timer } from '@cropstream/runtime';
import type { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { checkHealth } from '@cropstream/runtime/grpc-health';

/** How often the workers are looked through, if nothing wakes the gate. */
const LOOK_MS = 1_000;
/** How long a word on a worker is kept; it is given again at half of that. */
const KEEP_MS = 60_000;
/** A refused worker is tried again after so long: its name may resolve by then, its port be open. */
const RETRY_MS = 5_000;
/** A dial takes no longer. */
const DIAL_MS = 2_000;
/** Dials at once. */
const MAX_DIALS = 32;

/** Resolves where a worker can be had at its address, and rejects with the reason where it cannot. */
export type Dial = (worker: WorkerRecord) => Promise<void>;

/** Dials a worker's address as trainers will, and asks whether it is that worker who answers. */
export function dialBy(access: GrpcAccess): Dial {
  return async ({ id, address, tlsName }) => {
    const question = { address, service: workerHealthName(id), access, tlsName, timeoutMs: DIAL_MS };
    const status = await checkHealth(question).catch((error: unknown) => {
      throw fromStatus(error, address);
    });
    if (status === 'UNREGISTERED') throw new Error('another service answers there');
  };
}

export interface GateOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly dial: Dial;
}

interface Judged {
  readonly verdict: Verdict;
  readonly at: number;
}

/**
 * Lets workers join: each is dialled once at the address that trainers will be told. A worker takes no jobs before some
 * coordinator has admitted it, and stays admitted for its life; every coordinator judges all workers by itself.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #judged = new Map<string, Judged>();
  readonly #dialling = new Set<string>();
  readonly #stopWakes: () => void;
  #timer: Timer | null = null;
  #looking = false;
  #stopped = false;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#stopWakes = options.store.onWake(WAKE_ADMISSION, () => void this.#look());
    this.#schedule(0);
  }

  /** Of these workers, those that this coordinator admitted. */
  admitted(workers: readonly WorkerRecord[]): readonly WorkerRecord[] {
    return workers.filter(({ id }) => this.#judged.get(id)?.verdict.admitted);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#stopWakes();
  }

  #schedule(ms: number): void {
    this.#timer = this.#options.clock.timer(ms, () => {
      void this.#look();
      if (!this.#stopped) this.#schedule(LOOK_MS);
    });
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    try {
      const workers = await this.#options.store.workers();
      const living = new Set(workers.map(({ id }) => id));
      for (const id of this.#judged.keys()) if (!living.has(id)) this.#judged.delete(id);
      for (const worker of workers) {
        if (this.#dialling.size >= MAX_DIALS) break;
        if (this.#isDue(worker)) void this.#judge(worker);
      }
    } catch {
      // The store is away: the next look tries again, and whoever needs it more says so.
    } finally {
      this.#looking = false;
    }
  }

  #isDue({ id }: WorkerRecord): boolean {
    if (this.#dialling.has(id)) return false;
    const known = this.#judged.get(id);
    if (!known) return true;
    const age = this.#options.clock.now() - known.at;
    return age >= (known.verdict.admitted ? KEEP_MS / 2 : RETRY_MS);
  }

  async #judge(worker: WorkerRecord): Promise<void> {
    const { store, clock } = this.#options;
    const { id } = worker;
    this.#dialling.add(id);
    try {
      const before = this.#judged.get(id)?.verdict;
      const verdict = before?.admitted ? before : await this.#verdictOn(worker);
      await store.judge(id, verdict, KEEP_MS);
      if (this.#stopped) return;
      this.#judged.set(id, { verdict, at: clock.now() });
      this.#tell(worker, verdict, before);
      if (!before?.admitted) await store.wake(WAKE_ADMISSION);
    } catch {
      // The store is away: the worker is judged again when it is back.
    } finally {
      this.#dialling.delete(id);
    }
  }

  async #verdictOn(worker: WorkerRecord): Promise<Verdict> {
    if (worker.protocolVersion !== PROTOCOL_VERSION) {
      const error = failure('PROTOCOL_MISMATCH', {
        given: worker.protocolVersion,
        supported: PROTOCOL_VERSION,
      });
      return { admitted: false, reason: error.problem };
    }
    try {
      await this.#options.dial(worker);
      return { admitted: true };
    } catch (error) {
      return {
        admitted: false,
        reason: `it cannot be dialled back: ${problemOf(error)}`,
      };
    }
  }

  #tell({ id: worker, address }: WorkerRecord, verdict: Verdict, before: Verdict | undefined): void {
    const { log } = this.#options;
    if (verdict.admitted) {
      if (!before?.admitted) log.info({ worker, address }, 'a worker joined');
    } else if (before?.admitted !== false || before.reason !== verdict.reason) {
      const err = failure('WORKER_REFUSED', { worker, address, reason: verdict.reason });
      log.warn({ err, worker, address }, 'a worker is refused');
    }
  }
}

/** Without the advice: it is for whoever dials, and the operator gets that of WORKER_REFUSED. */
function problemOf(error: unknown): string {
  if (error instanceof CropstreamError) return error.problem;
  return error instanceof Error ? error.message : String(error);
}
