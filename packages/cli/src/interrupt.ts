import { constants } from 'node:os';
import { failure } from '@cropstream/errors';

/** How long a command may take to end by itself after the first signal. */
const GRACE_MS = 3_000;

/**
 * Runs `work` with a signal that aborts at SIGINT or SIGTERM, so that bars, threads and half-written files
 * are left clean; what it then throws becomes CANCELLED. A second signal, or the grace running out, ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let asked = false;
  const stop = (name: 'SIGINT' | 'SIGTERM') => {
    const code = 128 + constants.signals[name];
    if (asked) process.exit(code);
    asked = true;
    process.exitCode = code;
    controller.abort();
    setTimeout(() => process.exit(code), GRACE_MS).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw asked ? failure('CANCELLED', { what: 'the command' }, { cause: error }) : error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
