import { chunkName, type RunKey, runKeyOf } from '@cropstream/broker';
import { type CropstreamError, failure } from '@cropstream/errors';
import {
  type ChunkHeader,
  type FetchChunkRequest,
  FRAME_BYTES,
  FRAME_ROOM,
  type Frame,
  framed,
  toStatus,
  type WorkerServer,
} from '@cropstream/protocol';
import {
  ALL_OWNERS,
  type Clock,
  DEFAULT_OWNER,
  type Principal,
  type Span,
  type Tracer,
} from '@cropstream/runtime';
import { endStalled, onceGone, writeMessage } from '@cropstream/runtime/grpc-calls';
import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import type { WorkerLimits } from './config.js';
import type { Emit, FetchOutcome } from './events.js';
import type { HeldChunk, Outbox } from './outbox.js';

type Call = ServerWritableStream<FetchChunkRequest, Frame>;

/** Memory of frames kept for later streams. */
const MAX_ROOMS = 4;

export interface FetchServiceOptions {
  readonly workerId: string;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly limits: Pick<WorkerLimits, 'maxStreams' | 'stalledMs' | 'streamMs'>;
  readonly emit: Emit;
  /** Whose token a call carries. */
  readonly principalOf: (call: Call) => Principal;
  /** @default nothing is traced */
  readonly tracer?: Tracer | null | undefined;
}

export interface FetchService {
  readonly server: WorkerServer;
  /** Sent now. */
  readonly streams: number;
}

/**
 * Serves held chunks as streams of frames, from any offset, each to its owner: chunks of others are not found, whoever knows
 * their names. A reader's pace bounds what is buffered for it.
 */
export function fetchService(options: FetchServiceOptions): FetchService {
  const { workerId, outbox, clock, limits, emit, tracer } = options;
  let streams = 0;
  const rooms: Buffer[] = [];

  const begin = ({ request }: Call, chunk: string): Span | null => {
    const { traceparent: parent, attempt, offset } = request;
    if (!tracer || parent === undefined) return null;
    const attributes = {
      'cropstream.worker': workerId,
      'cropstream.chunk': chunk,
      'cropstream.attempt': attempt,
      'cropstream.offset': Number(offset),
    };
    return tracer.start('serve', { parent, attributes });
  };
  const refuse = (call: Call, chunk: string, error: CropstreamError, outcome: FetchOutcome) => {
    emit({ kind: 'fetched', bytes: 0, outcome });
    begin(call, chunk)?.end(error.problem);
    call.emit('error', toStatus(error));
  };

  const server: WorkerServer = {
    fetchChunk(call) {
      const { chunk: id } = call.request;
      const name = id === undefined ? '(none)' : chunkName(spanOf(id));
      if (streams >= limits.maxStreams) {
        refuse(call, name, failure('WORKER_BUSY', { streams, limit: limits.maxStreams }), 'refused');
        return;
      }
      const key = id && keyOf(options.principalOf(call), call.request.owner, id.runDigest);
      const open = call.request.workerId === workerId && key ? outbox.open(key, name) : null;
      if (open === null) {
        refuse(call, name, failure('CHUNK_NOT_FOUND', { chunk: name }), 'not-found');
        return;
      }
      const offset = Number(call.request.offset);
      if (offset > open.held.made.payloadBytes) {
        open.close(false);
        const allowed = `at most ${open.held.made.payloadBytes}, the payload's length`;
        refuse(call, name, failure('SPEC_INVALID', { field: 'offset', value: offset, allowed }), 'refused');
        return;
      }
      streams++;
      onceGone(call, () => streams--);
      const header = headerOf(open.held, call.request, workerId);
      const span = begin(call, name);
      const room = rooms.pop() ?? Buffer.allocUnsafeSlow(FRAME_ROOM);
      void send(call, header, open.held.made.payload, offset, room, clock, limits).then(({ sent, error }) => {
        open.close(error === null);
        // One that was cut may still be on its way.
        if (error === null && rooms.length < MAX_ROOMS) rooms.push(room);
        emit({ kind: 'fetched', bytes: sent, outcome: error === null ? 'whole' : 'cut' });
        span?.set({ 'cropstream.bytes': sent });
        span?.end(error?.problem);
        if (error === null) call.end();
        else endStalled(call, toStatus(error), clock);
      });
    },
  };
  return {
    server,
    get streams() {
      return streams;
    },
  };
}

/** Under what the chunks of a digest are held that the caller may have. Who acts for every owner says for which. */
function keyOf({ owner }: Principal, asked: string, digest: string): RunKey {
  return runKeyOf({ owner: owner === ALL_OWNERS ? asked || DEFAULT_OWNER : owner, digest });
}

interface Sent {
  readonly sent: number;
  /** null: the last frame was taken. */
  readonly error: CropstreamError | null;
}

/**
 * Sends [offset, end) of the payload. Each frame is copied into `room`, and the next is made there when that one was
 * taken: a slow reader costs one frame, and no frame refers to the payload afterwards.
 */
async function send(
  call: Call,
  header: ChunkHeader,
  payload: Uint8Array,
  start: number,
  room: Buffer,
  clock: Clock,
  { stalledMs, streamMs }: FetchServiceOptions['limits'],
): Promise<Sent> {
  const deadline = clock.now() + streamMs;
  const chunk = header.chunk ? chunkName(spanOf(header.chunk)) : '';
  let offset = start;
  let first: ChunkHeader | undefined = header;
  call.sendMetadata(new Metadata());
  // A chunk fetched from its very end still gets its header.
  while (first !== undefined || offset < payload.length) {
    const data = payload.subarray(offset, offset + FRAME_BYTES);
    const wait = Math.min(stalledMs, deadline - clock.now());
    const frame = { header: first, offset: BigInt(offset), data };
    const taken = await writeMessage(call, frame, clock, wait, framed(frame, room));
    if (taken === 'gone')
      return { sent: offset - start, error: failure('CANCELLED', { what: `chunk ${chunk}` }) };
    if (taken === 'late')
      return { sent: offset - start, error: failure('FETCH_STALLED', { chunk, seconds: wait / 1000 }) };
    first = undefined;
    offset += data.length;
  }
  return { sent: offset - start, error: null };
}

function spanOf({ epoch, first, last }: { epoch: bigint; first: bigint; last: bigint }) {
  return { epoch: Number(epoch), first: Number(first), last: Number(last) };
}

function headerOf({ attempt, made }: HeldChunk, { chunk }: FetchChunkRequest, workerId: string): ChunkHeader {
  return {
    chunk,
    attempt,
    workerId,
    samples: made.samples,
    columns: made.columns.map((column) => ({
      ...column,
      shape: [...column.shape],
      bytes: BigInt(column.bytes),
    })),
    payloadBytes: BigInt(made.payloadBytes),
    crc32: made.crc32,
    substitutions: made.substitutions.map(({ originalIndex, deliveredIndex, ...rest }) => ({
      ...rest,
      originalIndex: BigInt(originalIndex),
      deliveredIndex: BigInt(deliveredIndex),
    })),
  };
}
