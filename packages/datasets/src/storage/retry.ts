import { setTimeout as delay } from 'node:timers/promises';

/** Waits; rejects with the signal's reason when aborted. Injected, so that tests need not wait. */
export type Sleep = (milliseconds: number, signal?: AbortSignal) => Promise<void>;

export const realSleep: Sleep = async (milliseconds, signal) => {
  await delay(milliseconds, undefined, signal ? { signal } : {});
};

/** Pauses before the second to the last attempt, milliseconds: six attempts over 3.1 s. */
export const RETRY_PAUSES: readonly number[] = [100, 200, 400, 800, 1600];

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Pauses that double up to 5 s, each by chance between half of it and the whole, so that callers who failed together
 * come back apart; none lasts beyond the budget, so that the last attempt is made at its end.
 */
export function* pausesFor(budgetMs: number): Generator<number, undefined> {
  const end = performance.now() + budgetMs;
  let most = FIRST_PAUSE_MS;
  for (let left = budgetMs; left > 0; left = end - performance.now()) {
    yield Math.min(left, most * (0.5 + Math.random() / 2));
    most = Math.min(2 * most, LONGEST_PAUSE_MS);
  }
}

export interface RetryOptions {
  /** Before the second to the last attempt, milliseconds. @default RETRY_PAUSES */
  readonly pauses?: Iterable<number>;
  readonly sleep?: Sleep;
  readonly signal?: AbortSignal | undefined;
}

/** Runs an operation again while it fails in a way that may pass, each time after a longer pause. */
export async function retrying<T>(
  operation: () => Promise<T>,
  mayPass: (error: unknown) => boolean,
  { pauses = RETRY_PAUSES, sleep = realSleep, signal }: RetryOptions = {},
): Promise<T> {
  for (const pause of pauses) {
    signal?.throwIfAborted();
    try {
      return await operation();
    } catch (error) {
      if (!mayPass(error)) throw error;
    }
    await sleep(pause, signal);
  }
  signal?.throwIfAborted();
  return operation();
}
