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

/**
 * What befalls a relayed call: what the worker does, or the coordinator. `gone`: it cannot have the chunk from the worker;
 * `lost`: nor any more, after some bytes. `full`: it relays enough. `away`: it cannot be reached. `old`: it cannot relay.
 */
export type RelayFate = FetchFate | 'gone' | 'lost' | 'full' | 'away' | 'old';

/** What befalls the calls of a trainer; every choice that a network or a fleet might make. */
export interface Fates {
  /** Milliseconds until a message arrives. */
  delay: () => number;
  /** Milliseconds until a chunk is made. */
  make(range: PositionRange): number;
  fetch(range: PositionRange, attempt: number, workerId: string): FetchFate;
  relay(range: PositionRange, attempt: number): RelayFate;
  /** Whether an announcement is said twice. */
  repeat(): boolean;
  /** Whether the coordinator dies instead of handling a message. */
  drop(message: AttachRequest): boolean;
}

export const KIND_FATES: Fates = {
  delay: () => 1,
  make: () => 5,
  fetch: () => 'ok',
  // A worker that cannot be reached is gone.
  relay: () => 'gone',
  repeat: () => false,
  drop: () => false,
};

interface Session {
  readonly handlers: AttachHandlers;
  readonly announced: Set<string>;
  attach: Attach | null;
  open: boolean;
}

interface Asked {
  readonly key: string;
  readonly offset: number;
  readonly workerId: string;
}

/** A coordinator and its workers as a script on a clock: the other end of a trainer's transport. */
export class FakeFleet implements Transport {
  readonly target = 'fake:1';
  readonly attaches: Attach[] = [];
  readonly progress: Progress[] = [];
  readonly nacks: Nack[] = [];
  readonly opened: string[] = [];
  /** Every direct fetch: chunk and offset. */
  readonly fetches: Asked[] = [];
  /** Every relayed one. */
  readonly relays: (Asked & { readonly process: string })[] = [];
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
    this.fetches.push({
      key: keyOf(range),
      offset: Number(request.offset),
      workerId: location.workerId,
    });
    return this.#answer(request, this.fates.fetch(range, request.attempt, location.workerId), handlers);
  }

  relay(request: FetchChunkRequest, handlers: FetchHandlers): FetchCall {
    const range = rangeOf(request.chunk!);
    const { workerId, process } = request;
    this.relays.push({ key: keyOf(range), offset: Number(request.offset), workerId, process });
    return this.#answer(request, this.fates.relay(range, request.attempt), handlers);
  }

  #answer(request: FetchChunkRequest, fate: RelayFate, handlers: FetchHandlers): FetchCall {
    const range = rangeOf(request.chunk!);
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
    this.#later(() => this.#serve(range, request, fate, frame, end));
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
    fate: RelayFate,
    frame: (frame: Parameters<FetchHandlers['frame']>[0]) => void,
    end: (error: CropstreamError | null) => void,
  ): void {
    const { header, payload } = this.run.chunk(
      fate === 'other' ? { ...range, epoch: range.epoch + 1 } : range,
    );
    const unreachable = failure('UNREACHABLE', { target: workerId, reason: 'connection reset' });
    const errors: Partial<Record<RelayFate, CropstreamError>> = {
      unreachable,
      'not-found': failure('CHUNK_NOT_FOUND', { chunk: keyOf(range) }),
      busy: failure('WORKER_BUSY', { streams: 9, limit: 9 }),
      gone: failure('WORKER_UNREACHABLE', { worker: workerId, reason: 'it is gone' }),
      full: failure('RELAY_BUSY', { streams: 9, waiting: 9 }),
      away: failure('UNREACHABLE', { target: this.target, reason: 'connection reset' }),
      old: failure('PROTOCOL_MISMATCH', { given: `of ${this.target}`, supported: 1 }),
    };
    const error = errors[fate];
    if (error) end(error);
    if (error || fate === 'silent') return;
    const bytes = Buffer.from(payload);
    if (fate === 'damaged') bytes[bytes.length >> 1]! ^= 0x10;
    const pieces = 3;
    const size = Math.ceil((bytes.length - Number(offset)) / pieces);
    const send = (piece: number, at: number) => {
      const cut = (fate === 'cut' || fate === 'lost') && piece === 2;
      if (cut || at >= bytes.length || (fate === 'short' && piece === 2)) {
        end(cut ? ((fate === 'cut' ? errors.unreachable : errors.gone) ?? null) : null);
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
