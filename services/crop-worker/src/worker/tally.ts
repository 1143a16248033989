import { MADE_RUNS, type MadeOfRun, type MadeRecord } from '@cropstream/broker';
import type { MadeChunk } from '@cropstream/chunks';
import type { Clock } from '@cropstream/runtime';

type Counted = Pick<MadeChunk, 'samples' | 'payloadBytes' | 'substitutions'>;

interface OfRun {
  samples: number;
  busyMs: number;
  substituted: number;
  failures: number;
  /** Chunks of it that are being made. */
  making: number;
}

/** Counts what a worker makes, and the time that it is at it. */
export class Tally {
  #samples = 0;
  #chunks = 0;
  #bytes = 0;
  #busyMs = 0;
  /** In order of last use; those that nobody is at may go. */
  readonly #runs = new Map<string, OfRun>();
  #making = 0;
  #since = 0;

  constructor(private readonly clock: Clock) {}

  /** A chunk of the run is begun; call what is returned when it ended, made or not. */
  begin(runKey: string): () => void {
    this.#account();
    const run = this.#runs.get(runKey) ?? {
      samples: 0,
      busyMs: 0,
      substituted: 0,
      failures: 0,
      making: 0,
    };
    this.#runs.delete(runKey);
    this.#runs.set(runKey, run);
    run.making++;
    this.#making++;
    this.#trim();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#account();
      run.making--;
      this.#making--;
    };
  }

  /** Between `begin` and its end. */
  made(runKey: string, { samples, payloadBytes, substitutions }: Counted): void {
    this.#chunks++;
    this.#samples += samples;
    this.#bytes += payloadBytes;
    const run = this.#runs.get(runKey);
    if (!run) return;
    run.samples += samples;
    run.substituted += substitutions.length;
  }

  failed(runKey: string): void {
    const run = this.#runs.get(runKey);
    if (run) run.failures++;
  }

  get record(): MadeRecord {
    this.#account();
    return {
      samples: this.#samples,
      chunks: this.#chunks,
      bytes: this.#bytes,
      busySeconds: this.#busyMs / 1000,
      runs: Object.fromEntries(
        [...this.#runs].map(([key, { making: _, busyMs, ...counts }]): [string, MadeOfRun] => [
          key,
          { ...counts, busySeconds: busyMs / 1000 },
        ]),
      ),
    };
  }

  /** Books the time since the last look to those that were at work in it. */
  #account(): void {
    const now = this.clock.now();
    const ms = now - this.#since;
    this.#since = now;
    if (this.#making === 0) return;
    this.#busyMs += ms;
    for (const run of this.#runs.values()) run.busyMs += (ms * run.making) / this.#making;
  }

  #trim(): void {
    for (const [key, { making }] of this.#runs) {
      if (this.#runs.size <= MADE_RUNS) return;
      if (making === 0) this.#runs.delete(key);
    }
  }
}
