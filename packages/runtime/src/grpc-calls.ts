import type { EventEmitter } from 'node:events';
import { constants, type Http2Stream } from 'node:http2';
import type { StatusObject } from '@grpc/grpc-js';
import type { Clock } from './clock.js';

/** How long the status of a call waits for a reader that takes nothing. */
const LINGER_MS = 1_000;

/** What these need of grpc-js's ServerWritableStream. */
export interface MessageStream<T> extends EventEmitter {
  readonly cancelled: boolean;
  write(message: T, taken: (error?: Error | null) => void): boolean;
}

/** What became of a message: gRPC took it, the reader is gone, or it takes nothing. */
export type Written = 'taken' | 'gone' | 'late';

/**
 * Writes a message; settles when gRPC has taken it, so that whoever awaits this buffers one message for a slow reader.
 *
 * `framed` is the message as gRPC sends it, with its prefix of five bytes: it goes straight to the call's HTTP/2 stream, where
 * grpc-js would serialise into fresh memory and copy that once more. The call's metadata is to be sent before. Once this
 * settles with 'taken' its memory is the caller's again; with anything else it may be read while the connection lives.
 */
export function writeMessage<T>(
  call: MessageStream<T>,
  message: T,
  clock: Clock,
  waitMs: number,
  framed?: Uint8Array,
): Promise<Written> {
  // Of a version of grpc-js that has its streams elsewhere: its own way, then.
  const stream = framed && streamOf(call);
  // Its end was written by others: a token was revoked, or the server stops.
  if (call.cancelled || stream?.destroyed || stream?.writableEnded) return Promise.resolve('gone');
  if (waitMs <= 0) return Promise.resolve('late');
  return new Promise((resolve) => {
    const timer = clock.timer(waitMs, () => end('late'));
    const gone = () => end('gone');
    const end = (how: Written) => {
      timer.cancel();
      call.off('cancelled', gone);
      resolve(how);
    };
    call.once('cancelled', gone);
    const taken = (error?: Error | null) => end(error ? 'gone' : 'taken');
    if (stream) stream.write(framed, taken);
    else call.write(message, taken);
  });
}

/**
 * Ends a call whose reader takes nothing. Its status waits behind what was not taken, and gRPC would hold both for as long as
 * the reader likes: its stream is reset a little later.
 */
export function endStalled(call: EventEmitter, status: StatusObject, clock: Clock): void {
  const timer = clock.timer(LINGER_MS, () => streamOf(call)?.close(constants.NGHTTP2_CANCEL));
  onceGone(call, () => timer.cancel());
  call.emit('error', status);
}

/** A call's own HTTP/2 stream, under the interceptors' calls: grpc-js has no way to end it without its reader's help. */
function streamOf(call: EventEmitter): Http2Stream | undefined {
  let inner = Reflect.get(call, 'call') as { nextCall?: unknown; stream?: Http2Stream } | undefined;
  while (inner?.nextCall !== undefined) inner = inner.nextCall as typeof inner;
  return inner?.stream;
}

/** Runs `run` once the call is gone, not when its last message is written: so long gRPC holds memory for it. */
export function onceGone(call: EventEmitter, run: () => void): void {
  let gone = false;
  for (const event of ['finish', 'cancelled', 'close']) {
    call.once(event, () => {
      if (!gone) run();
      gone = true;
    });
  }
}
