import { crc32 } from 'node:zlib';
import type { CropstreamError, ErrorCode } from '@cropstream/errors';
import { type ChunkHeader, type ChunkId, type Frame, type Location, Nack_Reason } from '@cropstream/protocol';
import type { Clock } from '@cropstream/runtime';
import type { ChunkSink } from './assembly.js';
import type { FetchCall, Transport } from './transport.js';
import { Watchdog } from './watchdog.js';

/** A worker that sends no byte for so long is taken for gone. */
const SILENT_MS = 1000;
/** Cuts of one announced chunk after which the coordinator is told, though each call brought some bytes. */
const MAX_RESUMES = 16;

/** Where a chunk lies, as the coordinator announced it. */
export interface Announcement {
  readonly attempt: number;
  readonly location: Location;
  readonly bytes: number;
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

  constructor(
    private readonly transport: Transport,
    private readonly clock: Clock,
    private readonly chunk: ChunkId,
    readonly announcement: Announcement,
    private readonly sink: ChunkSink,
    private readonly done: (outcome: FetchOutcome) => void,
  ) {
    this.startedAt = clock.now();
    this.#start();
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
    const { attempt, location } = this.announcement;
    this.#watchdog?.stop();
    this.#watchdog = new Watchdog(this.clock, SILENT_MS, () => {
      this.#active?.cancel();
      this.#cut(`no byte from ${location.address} for ${SILENT_MS / 1000} s`, from);
    });
    const request = { chunk: this.chunk, workerId: location.workerId, attempt, offset: BigInt(from) };
    this.#active = this.transport.fetch(location, request, {
      frame: (frame) => {
        if (call !== this.#call) return;
        this.#watchdog?.feed();
        this.#take(frame, first);
        first = false;
      },
      ended: (error) => {
        if (call !== this.#call) return;
        if (error?.code === 'CHUNK_NOT_FOUND') this.#fail(Nack_Reason.NOT_FOUND, error.problem);
        else if (error?.code === 'WORKER_BUSY') this.#fail(null, error.problem);
        else if (error && REFUSALS.has(error.code)) {
          this.#finish({
            held: false,
            reason: Nack_Reason.UNREACHABLE,
            problem: error.problem,
            refused: error,
          });
        } else this.#cut(error?.problem ?? 'the stream ended early', from);
      },
    });
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

  /** The connection was cut, or went silent, in a call that began at byte `from`. */
  #cut(problem: string, from: number): void {
    if (this.#received > from && this.#resumes < MAX_RESUMES) {
      this.#resumes++;
      this.#start();
    } else this.#fail(Nack_Reason.UNREACHABLE, problem);
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
