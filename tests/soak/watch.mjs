import { setTimeout as sleep } from 'node:timers/promises';
import { ownMebibytes } from './own-memory.mjs';

/** Chunks held, being made and reserved for. */
export const OUTBOX_USED = 'worker_limit_used_bytes{limit="outbox_bytes"}';

/**
 * Samples the memory of a service, its outbox, and its trainer's memory, until stopped. `trainer()` is the one
 * that draws now; `batches()` counts what all of them drew.
 */
export function watch({ service, trainer, batches, everyMs }) {
  const curves = { serve: [], trainer: [] };
  const outbox = { bytes: 0, limit: 0 };
  let running = true;
  const began = performance.now();
  const note = (name, pid) => {
    const mebibytes = pid === undefined ? null : ownMebibytes(pid);
    const seconds = (performance.now() - began) / 1000;
    // A process that is about to be gone holds nothing any more.
    if (mebibytes) curves[name].push({ seconds, batches: batches(), mebibytes });
  };
  const ended = (async () => {
    while (running) {
      note('serve', service.pid);
      note('trainer', trainer()?.pid);
      // One answer may be lost; if the service is gone, its trainer fails and says so.
      const metric = await service.metrics().catch(() => null);
      if (metric !== null) {
        outbox.bytes = Math.max(outbox.bytes, metric(OUTBOX_USED));
        outbox.limit = metric('worker_limit_bytes{limit="outbox_bytes"}');
      }
      await sleep(everyMs);
    }
  })();
  return {
    async stop() {
      running = false;
      await ended;
      return { curves, outbox };
    },
  };
}

/** Nobody is attached, nothing is held, and no room is reserved beyond what a worker reserves before it takes a job. */
export async function isIdle(service, reserved) {
  const metric = await service.metrics().catch(() => null);
  return (
    metric !== null &&
    metric('coordinator_attachments') === 0 &&
    metric('worker_outbox_chunks') === 0 &&
    metric(OUTBOX_USED) <= reserved
  );
}
