/** Chunks without pixels, for tests of what is done with chunks. */
import type { MadeChunk } from '@cropstream/chunks';

/** How often each chunk's memory was given back. */
export type Released = Map<MadeChunk, number>;

/** A made chunk of one uint8 column; its bytes count up from `seed`. */
export function fakeChunk(payloadBytes: number, released: Released = new Map(), seed = 0): MadeChunk {
  const payload = new Uint8Array(payloadBytes).map((_, i) => (i + seed) & 255);
  const chunk: MadeChunk = {
    samples: 1,
    columns: [{ name: 'view', dtype: 'uint8', shape: [payloadBytes], bytes: payloadBytes }],
    payloadBytes,
    crc32: seed,
    substitutions: [],
    payload,
    capacity: payloadBytes,
    timings: { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 },
    timeline: { read: null, compute: null },
    release: () => released.set(chunk, (released.get(chunk) ?? 0) + 1),
  };
  return chunk;
}
