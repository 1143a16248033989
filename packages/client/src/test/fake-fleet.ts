import { type CropstreamError, failure } from '@cropstream/errors';
import type {
  Attach,
  AttachRequest,
  AttachResponse,
  FetchChunkRequest,
  Location,
  Nack,
  Progress,
  RunInfo,
} from '@cropstream/protocol';
import type { Clock } from '@cropstream/runtime';
import { wantedChunks } from '@cropstream/schedule';
import { keyOf, type PositionRange, rangeOf, toWire } from '../core/slots.js';
import type { AttachHandlers, AttachStream, FetchCall, FetchHandlers, Transport } from '../core/transport.js';
import type { FakeRun } from './fake-run.js';

/** What befalls one fetch. `cut`: after some bytes. `silent`: not a byte, and no end. */
export type FetchFate =
  | 'ok'
  | 'cut'
  | 'damaged'
  | 'short'
  | 'not-found'
  | 'unreachable'
  | 'silent'
  | 'other'
  | 'busy';

/** What befalls the calls of a trainer; every choice that a network or a fleet might make. */
export interface Fates {
  /** Milliseconds until a message arrives. */
  delay: () => number;
  /** Milliseconds until a chunk is made. */
  make(range: PositionRange): number;
  fetch(range: PositionRange, attempt: number): FetchFate;
  /** Whether an announcement is said twice. */
  repeat(): boolean;
  /** Whether the coordinator dies instead of handling a message. */
  drop(message: AttachRequest): boolean;
}

export const KIND_FATES: Fates = {
  delay: () => 1,
  make: () => 5,
  fetch: () => 'ok',
  repeat: () => false,
  drop: () => false,
};

interface Session {
  readonly handlers: AttachHandlers;
  readonly announced: Set<string>;
  attach: Attach | null;
  open: boolean;
}

/** A coordinator and its workers as a script on a clock: the other end of a trainer's transport. */
export class FakeFleet implements Transport {
  readonly target = 'fake:1';
  readonly attaches: Attach[] = [];
  readonly progress: Progress[] = [];
  readonly nacks: Nack[] = [];
  readonly opened: string[] = [];
  /** Every fetch: chunk and offset. */
  readonly fetches: { readonly key: string; readonly offset: number; readonly workerId: string }[] = [];
  /** Fetches whose last byte is still to come, and the most of them at once. */
  fetching = 0;
  maxFetching = 0;
  /** Where a worker is to be reached. */
  addressOf = (workerId: string) => `${workerId}:2`;
  /** False: attaching answers RUN_NOT_FOUND until the run is opened. */
  knowsRun = true;
  /** Ends every attach with this. */
  refusal: CropstreamError | null = null;
  session: Session | null = null;
  closed = false;
  readonly #attempts = new Map<string, number>();

  constructor(
    readonly run: FakeRun,
    private readonly clock: Clock,
    readonly fates: Fates = KIND_FATES,
  ) {}

  async openRun(specJson: string): Promise<RunInfo> {
    this.opened.push(specJson);
    this.knowsRun = true;
    return this.run.info;
  }

  async getRun(name: string): Promise<RunInfo> {
    if (!this.knowsRun) throw failure('RUN_NOT_FOUND', { run: name, known: 'none' });
    return this.run.info;
  }

  attach(handlers: AttachHandlers): AttachStream {
    const session: Session = { handlers, announced: new Set(), attach: null, open: true };
    let lastDue = 0;
    return {
      send: (message) => {
        // A stream keeps its order, however late its messages.
        lastDue = Math.max(lastDue, this.clock.now() + this.fates.delay());
        this.clock.timer(lastDue - this.clock.now(), () => session.open && this.#receive(session, message));
      },
      close: () => {
        session.open = false;
      },
    };
  }

  fetch(location: Location, request: FetchChunkRequest, handlers: FetchHandlers): FetchCall {
    const range = rangeOf(request.chunk!);
    const offset = Number(request.offset);
    this.fetches.push({ key: keyOf(range), offset, workerId: location.workerId });
    this.fetching++;
    this.maxFetching = Math.max(this.maxFetching, this.fetching);
    let open = true;
    let busy = true;
    const over = () => {
      if (busy) this.fetching--;
      busy = false;
    };
    const end = (error: CropstreamError | null) => {
      over();
      if (open) handlers.ended(error);
      open = false;
    };
    const total = this.run.chunk(range).payload.length;
    const frame = (piece: Parameters<FetchHandlers['frame']>[0]) => {
      if (Number(piece.offset) + piece.data.length >= total) over();
      if (open) handlers.frame(piece);
    };
    this.#later(() => this.#serve(range, request, frame, end));
    return {
      cancel: () => {
        over();
        open = false;
      },
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  /** Ends the trainer's stream as a dying coordinator does. */
  kill(
    error: CropstreamError | null = failure('UNREACHABLE', { target: this.target, reason: 'gone' }),
  ): void {
    const { session } = this;
    this.session = null;
    if (!session?.open) return;
    session.open = false;
    session.handlers.ended(error);
  }

  say(message: AttachResponse['message']): void {
    if (this.session?.open) this.session.handlers.message({ message });
  }

  /** Says that a chunk is ready, whether the trainer wants it or not. */
  announce(range: PositionRange, workerId = 'w1'): void {
    const attempt = this.#attempts.get(keyOf(range)) ?? 1;
    this.#attempts.set(keyOf(range), attempt);
    this.say({
      $case: 'ready',
      value: {
        chunk: toWire(range),
        attempt,
        location: { workerId, address: this.addressOf(workerId), tlsName: '' },
        bytes: this.run.chunk(range).header.payloadBytes,
      },
    });
  }

  #later(run: () => void): void {
    this.clock.timer(this.fates.delay(), run);
  }

  #receive(session: Session, { message }: AttachRequest): void {
    if (message?.$case === 'attach') this.#accept(session, message.value);
    if (!session.open) return;
    if (this.fates.drop({ message })) {
      this.session = session;
      this.kill();
      return;
    }
    if (message?.$case === 'nack') {
      this.nacks.push(message.value);
      const key = keyOf(rangeOf(message.value.chunk!));
      this.#attempts.set(key, (this.#attempts.get(key) ?? 1) + 1);
      session.announced.delete(key);
    }
    const progress =
      message?.$case === 'attach'
        ? message.value.progress
        : message?.$case === 'progress'
          ? message.value
          : null;
    if (progress) {
      this.progress.push(progress);
      session.attach!.progress = progress;
    }
    this.#want(session);
  }

  #accept(session: Session, attach: Attach): void {
    this.attaches.push({ ...attach });
    this.session = session;
    session.attach = attach;
    if (!this.knowsRun) this.refuse(session, failure('RUN_NOT_FOUND', { run: attach.run, known: 'none' }));
    else if (this.refusal) this.refuse(session, this.refusal);
    else
      session.handlers.message({
        message: { $case: 'attached', value: { run: this.run.info, fencing: 1n } },
      });
  }

  private refuse(session: Session, error: CropstreamError): void {
    session.open = false;
    session.handlers.ended(error);
  }

  /** What the real coordinator does: whole steps as far as the credits go, none of what is held. */
  #want(session: Session): void {
    const { rank, worldSize, endStep, progress } = session.attach!;
    const { nextStep, creditChunks, held } = progress!;
    const perStep = Math.max(
      1,
      wantedChunks(this.run.plan, this.run.info.chunkSize, { rank, worldSize, nextStep: 0, windowEnd: 1 })
        .length,
    );
    const windowEnd = Math.min(
      Number(nextStep) + Math.floor(creditChunks / perStep),
      endStep === undefined ? Number.MAX_SAFE_INTEGER : Number(endStep),
    );
    const heldKeys = new Set(held.map((range) => keyOf(rangeOf(range))));
    const window = { rank, worldSize, nextStep: Number(nextStep), windowEnd };
    for (const chunk of wantedChunks(this.run.plan, this.run.info.chunkSize, window)) {
      const key = keyOf(chunk);
      if (heldKeys.has(key) || session.announced.has(key)) continue;
      session.announced.add(key);
      this.clock.timer(this.fates.make(chunk), () => {
        if (!session.open || this.session !== session) return;
        const workerId = `w${1 + ((this.#attempts.get(key) ?? 1) % 3)}`;
        this.announce(chunk, workerId);
        if (this.fates.repeat()) this.announce(chunk, workerId);
      });
    }
  }

  #serve(
    range: PositionRange,
    { attempt, workerId, offset }: FetchChunkRequest,
    frame: (frame: Parameters<FetchHandlers['frame']>[0]) => void,
    end: (error: CropstreamError | null) => void,
  ): void {
    const fate = this.fates.fetch(range, attempt);
    const { header, payload } = this.run.chunk(
      fate === 'other' ? { ...range, epoch: range.epoch + 1 } : range,
    );
    const unreachable = failure('UNREACHABLE', { target: workerId, reason: 'connection reset' });
    if (fate === 'unreachable') end(unreachable);
    if (fate === 'not-found') end(failure('CHUNK_NOT_FOUND', { chunk: keyOf(range) }));
    if (fate === 'busy') end(failure('WORKER_BUSY', { streams: 9, limit: 9 }));
    if (fate === 'silent' || fate === 'unreachable' || fate === 'not-found' || fate === 'busy') return;
    const bytes = Buffer.from(payload);
    if (fate === 'damaged') bytes[bytes.length >> 1]! ^= 0x10;
    const pieces = 3;
    const size = Math.ceil((bytes.length - Number(offset)) / pieces);
    const send = (piece: number, at: number) => {
      const cut = fate === 'cut' && piece === 2;
      if (cut || at >= bytes.length || (fate === 'short' && piece === 2)) {
        end(cut ? unreachable : null);
        return;
      }
      const data = bytes.subarray(at, at + size);
      // Written over once handed on: whoever kept a view instead of a copy is found out.
      const lent = Buffer.from(data);
      frame({
        header: piece === 0 ? { ...header, attempt, workerId } : undefined,
        offset: BigInt(at),
        data: lent,
      });
      lent.fill(0xee);
      this.#later(() => send(piece + 1, at + size));
    };
    send(0, Number(offset));
  }
}
