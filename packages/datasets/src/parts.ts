import { failure } from '@cropstream/errors';
import { checkManifest, DIGEST_BYTES, sealed, storedDigest } from './manifests/header.js';
import type { Parts } from './source.js';

/**
 * Bytes that go with a manifest, such as a shard's index, in the form that stores keep manifests in: with their SHA-256 at
 * the end, by which they are known.
 */
export function sealPart(bytes: Uint8Array): { readonly digest: string; readonly sealed: Uint8Array } {
  const whole = sealed([bytes]);
  return { digest: storedDigest(whole), sealed: whole };
}

/**
 * @param fetch gives what `sealPart` made, by its digest; null where it is gone
 */
export function partsFrom(fetch: (digest: string) => Promise<Uint8Array | null>): Parts {
  return {
    async get(digest, signal) {
      if (signal?.aborted) throw failure('CANCELLED', { what: 'fetching an index' });
      const whole = await fetch(digest);
      if (whole === null) return null;
      await checkManifest(whole, digest);
      return whole.subarray(0, whole.byteLength - DIGEST_BYTES);
    },
  };
}
