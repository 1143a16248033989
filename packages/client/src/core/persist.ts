import { type CropstreamError, failure, toFailure } from '@cropstream/errors';
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
      if (!error.retryable) throw error;
      if (over) throw triedFor(error, clock.now() - startedAt);
      await sleep(clock, wait, signal);
    }
  }
}

/** The error that is left of tries over `ms`: an unreachable service's says for how long. */
export function triedFor(error: CropstreamError, ms: number): CropstreamError {
  if (error.code !== 'UNREACHABLE') return error;
  const { target, reason } = error.details;
  const tried = `${reason}; tried for ${(ms / 1000).toFixed(1)} s`;
  return failure('UNREACHABLE', { target: String(target), reason: tried }, { cause: error.cause });
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
