import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Collects this thread's garbage now: some tens of milliseconds. For use after an image of hundreds of megabytes, whose
 * memory lies outside the engine's heap: a thread that is idle afterwards would keep it for ever, and a busy one lets
 * several pile up.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    // Node has no other door to it than a flag of its command line, which is not ours.
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
