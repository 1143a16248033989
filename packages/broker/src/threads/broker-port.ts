import type { MessagePort } from 'node:worker_threads';
import { openPeer } from '@cropstream/runtime/threads';
import type { Broker } from '../broker.js';
import type { ChunkJob } from '../records.js';

const CALLS = ['add', 'take', 'finish', 'remove', 'counts'] as const;
type Calls = Pick<Broker, (typeof CALLS)[number]>;

/**
 * Serves `broker` to the thread at the other end of `port`. When that end closes or its thread dies, the jobs that it
 * took and did not finish go back to the head of the queue at once.
 */
export function exposeBroker(port: MessagePort, broker: Broker): void {
  const taken = new Map<
    string,
    { readonly queue: string; readonly worker: string; readonly job: ChunkJob }
  >();
  let closed = false;

  async function giveBack(queue: string, worker: string, job: ChunkJob): Promise<void> {
    await broker.finish(queue, job.id, worker);
    await broker.add(queue, [{ ...job, urgent: true }]);
  }

  const local: Calls = {
    add: (queue, jobs) => broker.add(queue, jobs),
    async take(queue, worker, waitMs, prefers) {
      const job = await broker.take(queue, worker, waitMs, prefers);
      if (job === null) return null;
      if (closed) {
        await giveBack(queue, worker, job);
        return null;
      }
      taken.set(job.id, { queue, worker, job });
      return job;
    },
    async finish(queue, jobId, worker) {
      taken.delete(jobId);
      await broker.finish(queue, jobId, worker);
    },
    remove: (queue, jobIds) => broker.remove(queue, jobIds),
    counts: (queue) => broker.counts(queue),
  };

  const onClose = () => {
    closed = true;
    for (const { queue, worker, job } of taken.values()) {
      // A broker that is closing itself has no use for them.
      giveBack(queue, worker, job).catch(() => undefined);
    }
  };
  openPeer(port, local, { onClose });
}

/** The broker at the other end of `port`. Closing it closes the port, not that broker. */
export function connectBroker(port: MessagePort): Broker {
  const peer = openPeer<Calls>(port, {});
  return { ...peer.calls(CALLS), close: () => peer.close() };
}
