import type { CropstreamError, ErrorCode } from '@cropstream/errors';
import { crc32 } from '@cropstream/kernels/crc32';
import { type ChunkHeader, type ChunkId, type Frame, type Location, Nack_Reason } from '@cropstream/protocol';
import { type Clock, Watchdog } from '@cropstream/runtime';
import type { ChunkSink } from './assembly.js';
import type { Route, Routes } from './routes.js';
import type { FetchCall, FetchHandlers, Transport } from './transport.js';

/** A worker that sends no byte for so long is taken for gone. */
const SILENT_MS = 1000;
/**
 * A coordinator that relays has to wait for the chunk's turn, and watches its worker itself: only a longer silence says
 * that it is gone. As long as keepalive takes to notice.
 */
const RELAY_SILENT_MS = 10_000;
/** Cuts of one announced chunk after which the coordinator is told, though each call brought some bytes. */
const MAX_RESUMES = 16;

/** Where a chunk lies, as the coordinator announced it. */
export interface Announcement {
  readonly attempt: number;
  readonly location: Location;
  readonly bytes: number;
  /** W3C trace context of its batch. */
  readonly traceparent?: string | undefined;
}

export type FetchOutcome =
  | { readonly held: true }
  /** Without a reason for a nack: the chunk is where it was announced, only not to be had this moment. */
  | {
      readonly held: false;
      readonly reason: Nack_Reason | null;
      readonly problem: string;
      readonly refused?: CropstreamError;
    };

/**
 * What a worker says to a client whose token or TLS is wrong. Coordinators admit no worker that does not let them in
 * themselves, so it is nothing of that worker alone.
 */
const REFUSALS: ReadonlySet<string> = new Set<ErrorCode>(['UNAUTHENTICATED', 'TLS_FAILED']);

/** The chunk is where it was announced; there was no room for this call. */
const BUSY: ReadonlySet<string> = new Set<ErrorCode>(['WORKER_BUSY', 'RELAY_BUSY']);

/** Of a relayed call, what is the worker's or our own doing. All else is the coordinator's, and no word on the worker. */
const BEYOND_RELAY: ReadonlySet<string> = new Set<ErrorCode>(['WORKER_UNREACHABLE', 'FETCH_STALLED']);

export interface FetchOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly routes: Routes;
  /** The trainer's, as in its Attach. */
  readonly process: string;
}

/**
 * Fetches one announced chunk into its sink: checks length and checksum as the pieces come, and goes on from where a
 * connection was cut. Calls `done` once, unless cancelled.
 */
export class ChunkFetch {
  readonly startedAt: number;
  #header: ChunkHeader | null = null;
  #received = 0;
  #crc = 0;
  #resumes = 0;
  /** Grows with each call, so that a former call's late events are told from the present one's. */
  #call = 0;
  #active: FetchCall | null = null;
  #watchdog: Watchdog | null = null;
  #route: Route;
  /** Why the worker could not be reached directly; null: it was not tried, or it could. */
  #undialled: string | null = null;

  /** @param again whether it could not be had from the same worker before */
  constructor(
    private readonly options: FetchOptions,
    private readonly chunk: ChunkId,
    readonly announcement: Announcement,
    private readonly again: boolean,
    private readonly sink: ChunkSink,
    private readonly done: (outcome: FetchOutcome) => void,
  ) {
    this.startedAt = options.clock.now();
    this.#route = options.routes.of(announcement.location.address);
    this.#start();
  }

  get route(): Route {
    return this.#route;
  }

  get received(): number {
    return this.#received;
  }

  cancel(): void {
    this.#call++;
    this.#watchdog?.stop();
    this.#active?.cancel();
  }

  #start(): void {
    const call = ++this.#call;
    const from = this.#received;
    let first = true;
    const { transport, clock, process } = this.options;
    const { attempt, location, traceparent } = this.announcement;
    const relayed = this.#route === 'relay';
    const peer = relayed ? `the coordinator at ${transport.target}` : location.address;
    const silentMs = relayed ? RELAY_SILENT_MS : SILENT_MS;
    this.#watchdog?.stop();
    this.#watchdog = new Watchdog(clock, silentMs, () => {
      this.#active?.cancel();
      this.#cut(`no byte from ${peer} for ${silentMs / 1000} s`, from, !relayed);
    });
    const request = {
      chunk: this.chunk,
      workerId: location.workerId,
      attempt,
      traceparent,
      offset: BigInt(from),
      process,
      owner: '',
    };
    const handlers: FetchHandlers = {
      frame: (frame) => {
        if (call !== this.#call) return;
        this.#watchdog?.feed();
        if (first) this.#found();
        this.#take(frame, first);
        first = false;
      },
      ended: (error) => {
        if (call === this.#call) this.#ended(error, from);
      },
    };
    this.#active = relayed
      ? transport.relay(request, handlers)
      : transport.fetch(location, request, handlers);
  }

  /** This way leads to the worker. */
  #found(): void {
    const { routes } = this.options;
    const { address } = this.announcement.location;
    if (this.#route === 'direct') routes.reached(address);
    else if (this.#undialled !== null) routes.unreachable(address, this.#undialled);
  }

  /** A call that began at byte `from` ended before the chunk was whole. */
  #ended(error: CropstreamError | null, from: number): void {
    const problem = error?.problem ?? 'the stream ended early';
    const code = error?.code ?? '';
    if (code === 'CHUNK_NOT_FOUND') this.#fail(Nack_Reason.NOT_FOUND, problem);
    else if (BUSY.has(code)) this.#fail(null, problem);
    else if (error && this.#refuses(error)) {
      this.#finish({ held: false, reason: Nack_Reason.UNREACHABLE, problem, refused: error });
    } else this.#cut(problem, from, this.#route === 'direct' || BEYOND_RELAY.has(code));
  }

  #refuses({ code }: CropstreamError): boolean {
    // A coordinator that is too old to relay: no use to ask again, unless the relay was only tried.
    if (code === 'PROTOCOL_MISMATCH') return this.#route === 'relay' && this.#undialled === null;
    return REFUSALS.has(code);
  }

  #take(frame: Frame, first: boolean): void {
    const problem = (first ? this.#takeHeader(frame.header) : null) ?? this.#takeData(frame);
    if (problem !== null) {
      this.#active?.cancel();
      this.#fail(Nack_Reason.DAMAGED, problem);
    }
  }

  #takeHeader(header: ChunkHeader | undefined): string | null {
    if (header === undefined) return this.#header === null ? 'its first frame has no header' : null;
    const { chunk, announcement } = this;
    const named = header.chunk;
    if (
      named?.runDigest !== chunk.runDigest ||
      named.epoch !== chunk.epoch ||
      named.first !== chunk.first ||
      named.last !== chunk.last
    ) {
      return 'it is another chunk';
    }
    if (this.#header !== null) {
      const same = header.crc32 === this.#header.crc32 && header.payloadBytes === this.#header.payloadBytes;
      return same ? null : 'it changed between two calls';
    }
    if (Number(header.payloadBytes) !== announcement.bytes) {
      return `it has ${header.payloadBytes} bytes, ${announcement.bytes} were announced`;
    }
    this.#header = header;
    return this.sink.begin(header);
  }

  #takeData({ offset, data }: Frame): string | null {
    const { bytes } = this.announcement;
    if (Number(offset) !== this.#received) return `bytes at ${offset} came, ${this.#received} was next`;
    if (this.#received + data.length > bytes) return `it has more than its ${bytes} bytes`;
    this.#crc = crc32(data, this.#crc);
    this.sink.write(data);
    this.#received += data.length;
    if (this.#received < bytes) return null;
    if (this.#crc !== this.#header?.crc32) return 'its checksum is wrong';
    const problem = this.sink.end();
    if (problem === null) {
      // The call ends by itself: to cancel it would tell the worker that the chunk was not delivered.
      this.#finish({ held: true });
    }
    return problem;
  }

  /** The way was cut, or went silent, in a call that began at byte `from`; `blamed`: by the worker, as far as is known. */
  #cut(problem: string, from: number, blamed: boolean): void {
    const { address } = this.announcement.location;
    if (this.#received > from && this.#resumes < MAX_RESUMES) {
      this.#resumes++;
      this.#start();
    } else if (this.#route === 'direct' && this.options.routes.mayRelay(address, this.again)) {
      this.#undialled = problem;
      this.#route = 'relay';
      this.#start();
    } else if (blamed || this.#undialled !== null) {
      this.#fail(Nack_Reason.UNREACHABLE, this.#undialled ?? problem);
    } else this.#fail(null, problem);
  }

  #fail(reason: Nack_Reason | null, problem: string): void {
    this.#finish({ held: false, reason, problem });
  }

  #finish(outcome: FetchOutcome): void {
    this.#call++;
    this.#watchdog?.stop();
    this.done(outcome);
  }
}
