import type { WorkerRecord } from '@cropstream/broker';
import { type CropstreamError, type ErrorCode, failure, toFailure } from '@cropstream/errors';
import { type FetchChunkRequest, FRAME_BYTES, toStatus } from '@cropstream/protocol';
import { type Clock, Watchdog } from '@cropstream/runtime';
import { endStalled, type MessageStream, onceGone, writeMessage } from '@cropstream/runtime/grpc-calls';
import type { CoordinatorLimits } from '../limits.js';
import { Turns } from './turns.js';

/** Bytes that a worker may send ahead of what was read of a relayed stream. */
export const RELAY_WINDOW_BYTES = 2 * FRAME_BYTES;

/** What a relayed stream holds at most: what came ahead, a frame on its way in, and two on their way out, each copied once. */
export const RELAY_STREAM_BYTES = RELAY_WINDOW_BYTES + 5 * FRAME_BYTES;

/** A worker's chunk, a frame at a time: what is not asked for stays with the worker. */
export interface FrameReader<F> {
  /** The next frame; null at the end. Rejects with the worker's error, or with what keeps it from being reached. */
  next(): Promise<F | null>;
  cancel(): void;
}

/** A trainer's call: the part of grpc-js's ServerWritableStream that is used. */
export interface RelayedCall<F> extends MessageStream<F> {
  readonly request: FetchChunkRequest;
  end(): void;
}

/** How a relay ended. `cut`: the trainer left or took nothing; `failed`: the worker could not be reached, or not any more. */
export type RelayOutcome = 'whole' | 'cut' | 'failed' | 'not-found' | 'refused';

export interface RelayObserver {
  /** Streams that are relayed and that wait for their turn, now. */
  streams(active: number, waiting: number): void;
  /** Bytes of frames that were read from workers and not yet taken by trainers: so many more, or fewer. */
  held(bytes: number): void;
  /** Bytes of a frame that a trainer has taken. */
  sent(bytes: number): void;
  ended(outcome: RelayOutcome): void;
}

export interface RelayOptions<F, C extends RelayedCall<F>> {
  /** Whose turn the call counts to. Rejects where the caller may not have the chunk. */
  readonly admit: (call: C) => Promise<string>;
  /** The worker of that id; null: it is gone. */
  readonly find: (workerId: string) => Promise<WorkerRecord | null>;
  /** Begins to fetch from a worker what the call asks for, as its caller. */
  readonly open: (worker: WorkerRecord, call: C) => FrameReader<F>;
  readonly bytesOf: (frame: F) => number;
  readonly clock: Clock;
  readonly limits: Pick<
    CoordinatorLimits,
    'relayBytes' | 'maxRelays' | 'relayTurnMs' | 'relaySilentMs' | 'relayStalledMs'
  >;
  readonly observer: RelayObserver;
}

/** A worker's answers that are for the trainer as they are. All others are of the way between coordinator and worker. */
const FOR_THE_TRAINER: ReadonlySet<string> = new Set<ErrorCode>([
  'CHUNK_NOT_FOUND',
  'WORKER_BUSY',
  'FETCH_STALLED',
  'SPEC_INVALID',
]);

/**
 * Serves FetchChunk for trainers that cannot reach workers: hands on the frames of the worker that has the chunk, as they
 * are, at the trainer's pace. Holds two frames a stream, and as many streams as their bytes allow.
 */
export function relayService<F, C extends RelayedCall<F>>(options: RelayOptions<F, C>) {
  const { limits } = options;
  const places = Math.max(1, Math.floor(limits.relayBytes / RELAY_STREAM_BYTES));
  const turns = new Turns(places, limits.maxRelays);
  return {
    fetchChunk(call: C): void {
      void new Relay(call, options, turns).run();
    },
  };
}

class Relay<F, C extends RelayedCall<F>> {
  /** Aborts when the trainer's call is gone. */
  readonly #gone = new AbortController();

  constructor(
    private readonly call: C,
    private readonly options: RelayOptions<F, C>,
    private readonly turns: Turns,
  ) {
    onceGone(call, () => this.#gone.abort());
  }

  async run(): Promise<void> {
    const { call } = this;
    const { admit, clock, observer } = this.options;
    try {
      await this.#turn(await admit(call));
      await this.#pipe(await this.#worker());
      observer.ended('whole');
      call.end();
    } catch (thrown) {
      const error = toFailure(thrown);
      observer.ended(this.#gone.signal.aborted ? 'cut' : outcomeOf(error));
      if (!call.cancelled) endStalled(call, toStatus(error), clock);
    }
  }

  /** Waits for a place, which is held until the call is gone; not for longer than a trainer waits for an answer. */
  #turn(who: string): Promise<void> {
    const { turns } = this;
    const { clock, limits, observer } = this.options;
    const { signal } = this.#gone;
    return new Promise((begin, refuse) => {
      const busy = () => {
        const { active: streams, waiting } = turns;
        refuse(failure('RELAY_BUSY', { streams, waiting }));
      };
      if (signal.aborted) return refuse(left());
      const timer = clock.timer(limits.relayTurnMs, busy);
      const turn = turns.enter(who, () => {
        timer.cancel();
        begin();
      });
      observer.streams(turns.active, turns.waiting);
      if (turn === null) {
        timer.cancel();
        return busy();
      }
      signal.addEventListener('abort', () => {
        timer.cancel();
        turn.leave();
        observer.streams(turns.active, turns.waiting);
        refuse(left());
      });
    });
  }

  async #worker(): Promise<WorkerRecord> {
    const { workerId } = this.call.request;
    const worker = await this.options.find(workerId);
    if (worker === null) throw failure('WORKER_UNREACHABLE', { worker: workerId, reason: 'it is gone' });
    return worker;
  }

  /** One frame is read while the one before it is sent. */
  async #pipe(worker: WorkerRecord): Promise<void> {
    const { signal } = this.#gone;
    if (signal.aborted) throw left();
    const { open, bytesOf, clock, limits, observer } = this.options;
    const reader = open(worker, this.call);
    const cancel = () => reader.cancel();
    signal.addEventListener('abort', cancel);
    let isOver = false;
    let held = 0;
    const hold = (bytes: number) => {
      held += bytes;
      observer.held(bytes);
    };
    const read = async () => {
      const frame = await reader.next();
      if (frame !== null && !isOver) hold(bytesOf(frame));
      return frame;
    };
    try {
      let ahead = read();
      for (let frame = await this.#heard(ahead, worker); frame !== null; ) {
        ahead = read();
        // Heard below, unless the frame before it cannot be sent.
        ahead.catch(() => {});
        const written = await writeMessage(this.call, frame, clock, limits.relayStalledMs);
        if (written === 'gone') throw left();
        if (written === 'late') throw this.#stalled();
        const bytes = bytesOf(frame);
        hold(-bytes);
        observer.sent(bytes);
        frame = await this.#heard(ahead, worker);
      }
    } finally {
      isOver = true;
      hold(-held);
      signal.removeEventListener('abort', cancel);
      reader.cancel();
    }
  }

  /** What comes next of a worker, if it comes in time. */
  #heard(frame: Promise<F | null>, { id: worker, address }: WorkerRecord): Promise<F | null> {
    const { clock, limits } = this.options;
    return new Promise((resolve, reject) => {
      const lost = (reason: string) => reject(failure('WORKER_UNREACHABLE', { worker, reason }));
      const watchdog = new Watchdog(clock, limits.relaySilentMs, () =>
        lost(`no byte from ${address} for ${limits.relaySilentMs / 1000} s`),
      );
      frame
        .then(resolve, (thrown: unknown) => {
          const error = toFailure(thrown);
          if (FOR_THE_TRAINER.has(error.code)) reject(error);
          else lost(error.problem);
        })
        .finally(() => watchdog.stop());
    });
  }

  #stalled(): CropstreamError {
    const { epoch, first, last } = this.call.request.chunk ?? { epoch: 0n, first: 0n, last: 0n };
    const seconds = this.options.limits.relayStalledMs / 1000;
    return failure('FETCH_STALLED', { chunk: `${epoch}-${first}-${last}`, seconds });
  }
}

const left = () => failure('CANCELLED', { what: 'a relayed chunk' });

function outcomeOf({ code }: CropstreamError): RelayOutcome {
  switch (code) {
    case 'FETCH_STALLED':
      return 'cut';
    case 'CHUNK_NOT_FOUND':
      return 'not-found';
    case 'WORKER_UNREACHABLE':
    case 'STORE_UNAVAILABLE':
    case 'INTERNAL':
      return 'failed';
    default:
      return 'refused';
  }
}
