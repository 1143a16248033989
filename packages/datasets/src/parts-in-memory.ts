import { partsFrom, sealPart } from './parts.js';
import type { Parts } from './source.js';

/** Where what goes with a manifest is kept while a dataset is indexed, and found again when it is read. */
export interface KeptParts {
  keep(bytes: Uint8Array): Promise<string>;
  readonly parts: Parts;
}

const MEMORY_BYTES = 64 * 1024 * 1024;

/** In memory, as long as it is little: what is not kept is made again from the dataset. */
export function partsInMemory(): KeptParts {
  const kept = new Map<string, Uint8Array>();
  let room = MEMORY_BYTES;
  return {
    async keep(bytes) {
      const { digest, sealed } = sealPart(bytes);
      if (!kept.has(digest) && sealed.byteLength <= room) {
        kept.set(digest, sealed);
        room -= sealed.byteLength;
      }
      return digest;
    },
    parts: partsFrom(async (digest) => kept.get(digest) ?? null),
  };
}
