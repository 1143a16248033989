import { setTimeout as delay } from 'node:timers/promises';

/** Waits; rejects with the signal's reason when aborted. Injected, so that tests need not wait. */
export type Sleep = (milliseconds: number, signal?: AbortSignal) => Promise<void>;

export const realSleep: Sleep = async (milliseconds, signal) => {
  await delay(milliseconds, undefined, signal ? { signal } : {});
};

/** Pauses before the second to the last attempt, milliseconds: six attempts over 3.1 s. */
export const RETRY_PAUSES: readonly number[] = [100, 200, 400, 800, 1600];

/** Runs an operation again while it fails in a way that may pass, each time after a longer pause. */
export async function retrying<T>(
  operation: () => Promise<T>,
  mayPass: (error: unknown) => boolean,
  sleep: Sleep,
  signal?: AbortSignal,
): Promise<T> {
  for (const pause of RETRY_PAUSES) {
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
