// For who starts cells to import first: it loads next to nothing itself.
import { Worker } from 'node:worker_threads';

/**
 * A cell's thread that loads its code while it is not known yet what it is to do: half a second that the caller has for loading its
 * own. The process does not end before a cell was started on it and closed, or it was told to go.
 */
export function warmThread(cell: number): Worker {
  return new Worker(new URL('./cell-thread.js', import.meta.url), { name: `cell-${cell}` });
}

/**
 * For a thread on which no cell was started. It ends by itself once it has loaded: ended while it loads a native library, it
 * would take the process with it.
 */
export function letGo(thread: Worker): void {
  thread.postMessage(null);
}
