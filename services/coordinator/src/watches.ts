import type { ChunkName, RunKey } from '@cropstream/broker';
import type { Span } from '@cropstream/runtime';
import type { Attachment } from './attachment.js';
import { Pace } from './pace.js';

/** What a coordinator saw of a chunk that is asked for, in milliseconds of its own clock. */
export interface Watch {
  /** When it was asked for first. */
  readonly since: number;
  /** When its job was last queued here, or seen to need no healing. */
  queuedAt: number;
  /** The attempt whose job was added again though it was claimed before; 0: none. */
  healed: number;
  /** How often it was not healed since, the queue being as long as it should be. */
  passedOver: number;
  /** When it was last known to wait for a worker; null: it never was. */
  waitedAt: number | null;
  /** The attempt that a worker makes, and when that was first seen. */
  making: { readonly attempt: number; readonly since: number } | null;
  /** When a hedge was last thought of. */
  hedgeAt: number;
  /** The hedge's attempt; 0: none was made here. */
  hedge: number;
  /** Its trace, from when it was first claimed here; null: there is none. */
  span: Span | null;
}

/** What a coordinator saw of one run key. */
class RunWatches {
  readonly chunks = new Map<ChunkName, Watch>();
  readonly pace = new Pace();

  /** From `now` on where the chunk was not watched yet. */
  of(chunk: ChunkName, now: number): Watch {
    let watch = this.chunks.get(chunk);
    if (!watch) {
      watch = {
        since: now,
        queuedAt: now,
        healed: 0,
        passedOver: 0,
        waitedAt: null,
        making: null,
        hedgeAt: Number.NEGATIVE_INFINITY,
        hedge: 0,
        span: null,
      };
      this.chunks.set(chunk, watch);
    }
    return watch;
  }
}

/** A coordinator's memory of the chunks that its attachments want: as small as their windows, and no truth of any. */
export class Watches {
  readonly #runs = new Map<string, RunWatches>();

  run(key: RunKey): RunWatches {
    let run = this.#runs.get(key);
    if (!run) {
      run = new RunWatches();
      this.#runs.set(key, run);
    }
    return run;
  }

  /** Forgets a chunk, whose work ended so. */
  drop(key: RunKey, chunk: ChunkName, problem?: string): void {
    const { chunks } = this.run(key);
    chunks.get(chunk)?.span?.end(problem);
    chunks.delete(chunk);
  }

  /** Forgets what no attachment here wants any more. */
  forget(attachments: Iterable<Attachment>): void {
    const wanted = new Map<string, Set<ChunkName>>();
    for (const { run, wants } of attachments) {
      const names = wanted.get(run.key) ?? new Set();
      wanted.set(run.key, names);
      for (const { name } of wants) names.add(name);
    }
    for (const [key, { chunks }] of this.#runs) {
      const names = wanted.get(key);
      for (const name of chunks.keys())
        if (!names?.has(name)) this.drop(key, name, 'nobody wants it any more');
      if (!names) this.#runs.delete(key);
    }
  }
}
