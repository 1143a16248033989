import { failure, toFailure } from '@cropstream/errors';
import { type Clock, sleep } from '@cropstream/runtime';
import { backoffMs } from './backoff.js';

const BACKOFF = { firstMs: 100, maxMs: 2000 };

export interface PersistOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** No further try begins once so much time has passed. */
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Calls until it succeeds, fails for good, or the time is over; then the last error is thrown.
 *
 * @throws CANCELLED when `signal` aborts, though the call may still be under way
 */
export async function persist<T>(options: PersistOptions, call: () => Promise<T>): Promise<T> {
  const { clock, random, limitMs, signal } = options;
  const startedAt = clock.now();
  for (let tries = 0; ; tries++) {
    try {
      return await abortable(call(), signal);
    } catch (thrown) {
      const error = toFailure(thrown);
      const wait = backoffMs(tries, random, BACKOFF);
      const over = clock.now() + wait - startedAt > limitMs;
      if (!error.retryable || over) throw error;
      await sleep(clock, wait, signal);
    }
  }
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(failure('CANCELLED', { what: 'the loader' }));
  });
  // The loser of the race fails unheard.
  aborted.catch(() => {});
  work.catch(() => {});
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
