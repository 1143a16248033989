import { failure } from '@cropstream/errors';
import { type Clock, sleep } from '@cropstream/runtime';
import type { Log } from './events.js';

/** Between tries. */
const RETRY_MS = 200;

/** Calls until it succeeds; rejects with SHUTTING_DOWN once its worker closes. */
export type Insist = <T>(call: () => Promise<T>) => Promise<T>;

/**
 * For calls to broker and store: while they cannot be reached a worker holds on to what it has, and what it
 * says later is still true.
 */
export function insistUntil(closing: AbortSignal, clock: Clock, log: Log): Insist {
  return async (call) => {
    for (let warned = false; ; warned = true) {
      if (closing.aborted) throw failure('SHUTTING_DOWN', {});
      try {
        return await call();
      } catch (error) {
        if (!warned) log.warn({ err: error }, 'broker or store cannot be reached; trying again');
        await sleep(clock, RETRY_MS, closing);
      }
    }
  };
}
