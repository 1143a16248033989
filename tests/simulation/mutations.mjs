// Defects that the simulation must find: each replaces a piece of one built file, which it must hold exactly once.
export const MUTATIONS = {
  'ack-before-yield': {
    breaks: 'The client counts a batch as yielded when it has been fetched.',
    file: 'packages/client/dist/core/stream.js',
    find: 'nextStep: BigInt(this.#nextStep),\n            creditChunks',
    replace:
      'nextStep: BigInt(this.#nextStep + (this.#fetcher.complete(this.#nextStep) ? 1 : 0) + 1),\n            creditChunks',
  },
};
