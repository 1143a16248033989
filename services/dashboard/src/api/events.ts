import type { ApiEvents } from '@cropstream/api';
import { call } from './http.js';
import { isAbort, Problem } from './problem.js';
import { readEvents } from './sse.js';

export type ApiEvent = {
  [E in keyof ApiEvents]: { readonly event: E; readonly data: ApiEvents[E] };
}[keyof ApiEvents];

export interface Subscriber {
  readonly onEvent: (event: ApiEvent) => void;
  /** A stream is open. */
  readonly onOpen: () => void;
  /** There is none. `final`: the service lets this reader in no more; otherwise another is tried soon. */
  readonly onLost: (error: unknown, final: boolean) => void;
}

/** A stream that says nothing for so long is dead, whatever TCP believes: the service speaks once a second. */
const SILENCE_MS = 10_000;
const RETRY_MS = { first: 500, most: 8_000 };

const NAMES: readonly string[] = ['fleet', 'run', 'gone'] satisfies (keyof ApiEvents)[];

/**
 * Follows the service's events until `signal` aborts: a stream that ends, fails or falls silent is opened again, after
 * longer and longer pauses. Each event is a whole snapshot, so nothing is missed for good.
 *
 * @param retryNow aborts a pause, where the reader asks for it
 */
export async function follow(
  path: string,
  { onEvent, onOpen, onLost }: Subscriber,
  signal: AbortSignal,
  retryNow: EventTarget,
): Promise<void> {
  for (let retryMs = RETRY_MS.first; !signal.aborted; ) {
    const stream = new AbortController();
    const stop = () => stream.abort();
    signal.addEventListener('abort', stop);
    let silence = setTimeout(stop, SILENCE_MS);
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
    };
    let error: unknown;
    try {
      const { body } = await call(path, { accept: 'text/event-stream', signal: stream.signal });
      if (body === null) throw new TypeError('an empty answer');
      onOpen();
      retryMs = RETRY_MS.first;
      for await (const event of readEvents(body)) {
        heard();
        if (event !== null && NAMES.includes(event.event)) {
          onEvent({ event: event.event, data: JSON.parse(event.data) } as ApiEvent);
        }
      }
    } catch (thrown) {
      error = thrown;
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', stop);
      stream.abort();
    }
    if (signal.aborted) return;
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
      onLost(error, true);
      return;
    }
    onLost(isAbort(error) ? undefined : error, false);
    await pause(retryMs, signal, retryNow);
    retryMs = Math.min(2 * retryMs, RETRY_MS.most);
  }
}

/** For `ms` at most: shorter where the reader wants it, the network is back, or nobody waits any more. */
function pause(ms: number, signal: AbortSignal, retryNow: EventTarget): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      retryNow.removeEventListener('retry', done);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    retryNow.addEventListener('retry', done);
    addEventListener('online', done);
  });
}
