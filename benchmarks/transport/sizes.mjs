/** Samples a step and a chunk. */
export const BATCH = 128;
export const CHUNK = 64;
/** Streams at once: what the client has. */
export const FETCHES = 4;
