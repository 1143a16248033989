import { statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { NUL, type SizesAnswer, type SizesTask, UNKNOWN } from './size-task.js';

// The thread of FileSizes. It imports next to nothing: its start is waited for.

/** A local file takes some microseconds; one on a network, or whose folder is not in memory, a hundred and more. */
const SLOW_MS = 0.1;
/** Files between two looks at the clock. */
const STRIDE = 64;

function sizesOf({ folder, packedNames }: SizesTask): SizesAnswer {
  const names = packedNames.split(NUL);
  const sizes = new Float64Array(names.length).fill(UNKNOWN);
  const end = performance.now() + names.length * SLOW_MS;
  for (const [i, name] of names.entries()) {
    if (i % STRIDE === STRIDE - 1 && performance.now() > end) return { sizes, slow: true };
    sizes[i] = sizeOf(`${folder}/${name}`);
  }
  return { sizes, slow: false };
}

function sizeOf(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? UNKNOWN;
  } catch {
    // Whoever asked looks again, and finds out why.
    return UNKNOWN;
  }
}

parentPort?.on('message', (task: SizesTask) => {
  const answer = sizesOf(task);
  parentPort?.postMessage(answer, [answer.sizes.buffer]);
});
