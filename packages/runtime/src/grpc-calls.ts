import type { EventEmitter } from 'node:events';
import type { Clock } from './clock.js';

/** What these need of grpc-js's ServerWritableStream. */
export interface MessageStream<T> extends EventEmitter {
  readonly cancelled: boolean;
  write(message: T, taken: (error?: Error | null) => void): boolean;
}

/** What became of a message: gRPC took it, the reader is gone, or it takes nothing. */
export type Written = 'taken' | 'gone' | 'late';

/** Writes a message; settles when gRPC has taken it, so that whoever awaits this buffers one message for a slow reader. */
export function writeMessage<T>(
  call: MessageStream<T>,
  message: T,
  clock: Clock,
  waitMs: number,
): Promise<Written> {
  if (call.cancelled) return Promise.resolve('gone');
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
    call.write(message, (error) => end(error ? 'gone' : 'taken'));
  });
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
