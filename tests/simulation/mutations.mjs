/**
 * Defects that the simulation must find, one a name: each replaces a piece of one built file, which must hold it
 * exactly once. Nothing of this is in the product.
 */
export const MUTATIONS = {
  'ack-before-yield': {
    breaks: 'the client says that it yielded the batch which it is still fetching',
    file: 'packages/client/dist/core/stream.js',
    find: 'nextStep: BigInt(this.#nextStep),',
    replace: 'nextStep: BigInt(this.#nextStep + 1),',
  },
  'state-counts-prefetched': {
    breaks: 'a saved state counts a batch that was fetched and not yielded',
    file: 'packages/client/dist/loader.js',
    find: 'makeState(this.run, this.stream.nextStep,',
    replace: 'makeState(this.run, this.stream.nextStep + 1,',
  },
  'checksum-ignored': {
    breaks: 'the client takes damaged bytes',
    file: 'packages/client/dist/core/fetch.js',
    find: 'if (this.#crc !== this.#header?.crc32)',
    replace: 'if (false)',
  },
  'gone-workers-ignored': {
    breaks: 'the coordinator waits for workers that died',
    file: 'services/coordinator/dist/reconcile.js',
    find: 'return takenBy !== null && !living.has(takenBy);',
    replace: 'return false;',
  },
  'claims-not-healed': {
    breaks: 'the coordinator trusts that what it claimed is in the queue',
    file: 'services/coordinator/dist/reconcile.js',
    find: 'if (now - watch.queuedAt < limits.healMs)',
    replace: 'if (true)',
  },
  'nacks-forgotten': {
    breaks: 'the coordinator tells a trainer once where a chunk lies, and never again',
    file: 'services/coordinator/dist/reconcile.js',
    find: ' && !known.lost)',
    replace: ')',
  },
  'wakes-trusted': {
    breaks: 'the coordinator looks only when it is woken',
    file: 'services/coordinator/dist/coordinator.js',
    find: 'this.#tickDue = true;\n            this.#poke();',
    replace: 'this.#tickDue = true;',
  },
  'made-again-though-fetched': {
    breaks: 'the coordinator has a chunk made again that its trainer holds',
    file: 'services/coordinator/dist/wanted.js',
    find: 'if (!attachment.awaits(want.name))',
    replace: 'if (false)',
  },
  'lost-publish-trusted': {
    breaks: 'a worker trusts that the store remembers what it published',
    file: 'services/crop-worker/dist/worker/crop-worker.js',
    find: 'await this.#mend();',
    replace: '',
  },
  'late-chunks-left': {
    breaks: 'the coordinator waits for a worker that lives, however long it takes',
    file: 'services/coordinator/dist/reconcile.js',
    find: 'if (todo.late.length > 0 &&',
    replace: 'if (false &&',
  },
  'hedges-without-limit': {
    breaks: 'the store lets every late chunk be made twice',
    file: 'packages/broker/dist/memory/chunk-table.js',
    find: 'if (100 * this.#hedges > percent * this.#claims)',
    replace: 'if (false)',
  },
  'outbox-without-limit': {
    breaks: 'the worker takes jobs without room for their results',
    file: 'services/crop-worker/dist/worker/outbox.js',
    find: 'if (missing > 0)\n            return false;',
    replace: '',
  },
  'relay-places-kept': {
    breaks: 'the coordinator keeps the place of a relayed stream that is over',
    file: 'services/coordinator/dist/relay/relay-service.js',
    find: 'turn.leave();',
    replace: '',
  },
  'relayed-offset-forgotten': {
    breaks:
      'the client goes on from the beginning with a relayed chunk that was cut, and believes it is elsewhere',
    file: 'packages/client/dist/core/fetch.js',
    find: 'offset: BigInt(from),',
    replace: 'offset: relayed ? 0n : BigInt(from),',
  },
};
