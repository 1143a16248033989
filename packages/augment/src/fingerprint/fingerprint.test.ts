import { describe, expect, it } from 'vitest';
import { pixelFingerprint, SharpDecoder, ThreadDecoder } from '../index.js';
import { selfTest } from './fingerprint.js';

describe('pixelFingerprint', () => {
  it('is the same on every call', async () => {
    const first = await pixelFingerprint();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await pixelFingerprint()).toBe(first);
  });

  it('does not depend on which decoder there is', async () => {
    const withoutTurboJpeg = await selfTest({ thread: new ThreadDecoder(null), main: new SharpDecoder() });
    expect(withoutTurboJpeg).toBe(await pixelFingerprint());
  });
});
