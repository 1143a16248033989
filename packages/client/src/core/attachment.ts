import { type CropstreamError, failure, toFailure } from '@cropstream/errors';
import type {
  Attach,
  Attached,
  AttachRequest,
  AttachResponse,
  ChunkReady,
  ChunkWaiting,
} from '@cropstream/protocol';
import { type Clock, type Timer, Watchdog } from '@cropstream/runtime';
import { backoffMs } from './backoff.js';
import type { AttachStream, Transport } from './transport.js';

/** As long at most as the transport leaves a coordinator alone that it could not reach. */
const BACKOFF = { firstMs: 100, maxMs: 2000 };
/** A coordinator that accepts the stream and says nothing for so long is given up for another try. */
const ANSWER_MS = 10_000;
/** A stream that lived so long was a good one: the next wait begins small again. */
const GOOD_MS = 5000;
/** Defects of a coordinator in a row that may be passing ones. */
const MAX_DEFECTS = 3;

export interface AttachmentEvents {
  /** Who attaches, with full state as of now. */
  describe(): Attach;
  attached(attached: Attached): void;
  ready(ready: ChunkReady): void;
  waiting(waiting: ChunkWaiting): void;
  /** Opens the run again from its spec, as a coordinator that lost it asks for. */
  reopen(): Promise<void>;
  /** No further try can help. */
  fatal(error: CropstreamError): void;
}

/**
 * - `stopped`: not wanted, or ended by an error that no further try can help
 * - `connecting`: a stream is open, the coordinator has not answered yet
 * - `attached`: the coordinator knows our state
 * - `backoff`: the last stream ended; another is opened after a while
 */
export type AttachmentState = 'stopped' | 'connecting' | 'attached' | 'backoff';

/**
 * Keeps one stream to a coordinator alive: attaches with full state, and again whenever it ends, after a growing wait.
 * For how long it tries is not decided here but by whoever waits for a batch.
 */
export class Attachment {
  state: AttachmentState = 'stopped';
  /** Why the last stream ended; null while attached. */
  trouble: CropstreamError | null = null;
  #stream: AttachStream | null = null;
  #generation = 0;
  #tries = 0;
  #defects = 0;
  #attachedAt = 0;
  #retry: Timer | null = null;
  #watchdog: Watchdog | null = null;

  constructor(
    private readonly transport: Transport,
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly events: AttachmentEvents,
  ) {}

  start(): void {
    if (this.state === 'stopped') this.#connect();
  }

  /** Tells the coordinator, if one listens; else the next attach says all. */
  send(message: AttachRequest): void {
    if (this.state === 'attached') this.#stream?.send(message);
  }

  /** Begins again with the state as it is now. */
  restart(): void {
    this.stop();
    this.#connect();
  }

  stop(): void {
    this.#leave('stopped');
    this.#stream?.close();
    this.#stream = null;
  }

  #leave(state: AttachmentState): void {
    this.#generation++;
    this.#watchdog?.stop();
    this.#retry?.cancel();
    this.state = state;
  }

  #connect(): void {
    this.#leave('connecting');
    const generation = this.#generation;
    this.#watchdog = new Watchdog(this.clock, ANSWER_MS, () => {
      this.#stream?.close();
      const reason = `no answer for ${ANSWER_MS / 1000} s`;
      this.#ended(failure('UNREACHABLE', { target: this.transport.target, reason }));
    });
    this.#stream = this.transport.attach({
      message: (message) => {
        if (generation === this.#generation) this.#receive(message);
      },
      ended: (error) => {
        if (generation === this.#generation) this.#ended(error);
      },
    });
    this.#stream.send({ message: { $case: 'attach', value: this.events.describe() } });
  }

  #receive({ message }: AttachResponse): void {
    switch (message?.$case) {
      case 'attached':
        this.#watchdog?.stop();
        this.state = 'attached';
        this.trouble = null;
        this.#attachedAt = this.clock.now();
        this.events.attached(message.value);
        break;
      case 'ready':
        this.events.ready(message.value);
        break;
      case 'waiting':
        this.events.waiting(message.value);
        break;
    }
  }

  #ended(error: CropstreamError | null): void {
    if (this.state === 'attached' && this.clock.now() - this.#attachedAt >= GOOD_MS) {
      this.#tries = 0;
      this.#defects = 0;
    }
    this.#stream = null;
    this.#leave('backoff');
    const reason = 'the coordinator ended the stream';
    this.trouble = error ?? failure('UNREACHABLE', { target: this.transport.target, reason });
    if (error?.code === 'RUN_NOT_FOUND') this.#reopen();
    else if (this.#mayPass(error)) this.#connectLater();
    else this.#fail(this.trouble);
  }

  /** Whether the error may be gone by the next try. */
  #mayPass(error: CropstreamError | null): boolean {
    if (error?.code === 'INTERNAL') return ++this.#defects < MAX_DEFECTS;
    // It is not we who cancelled: a proxy or a coordinator on its way out did.
    return error === null || error.retryable || error.code === 'CANCELLED';
  }

  #connectLater(): void {
    const wait = backoffMs(this.#tries++, this.random, BACKOFF);
    this.#retry = this.clock.timer(wait, () => this.#connect());
  }

  #reopen(): void {
    const generation = this.#generation;
    this.events.reopen().then(
      () => {
        if (generation === this.#generation) this.#connectLater();
      },
      (thrown: unknown) => {
        if (generation !== this.#generation) return;
        const error = toFailure(thrown);
        this.trouble = error;
        if (this.#mayPass(error)) this.#connectLater();
        else this.#fail(error);
      },
    );
  }

  #fail(error: CropstreamError): void {
    this.#leave('stopped');
    this.events.fatal(error);
  }
}
