import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../integration/harness.js';
import { sameFingerprint } from './upgrade.mjs';

const SIZE = { coordinators: 1, workers: 1 };
const UNDISTURBED = { equal: true, lost: 0, repeated: 0, other: 0 };

/** `npm run rolling-upgrade` is the long form, with workers of other pixels too. */
describe('every process is replaced under load', () => {
  it('and each rank draws the undisturbed stream', async () => {
    const folder = temporaryFolder();
    const { ranks, failures, longestWaitMs } = await sameFingerprint(folder.path, SIZE);
    expect(failures).toEqual([]);
    expect(ranks).toMatchObject([UNDISTURBED, UNDISTURBED]);
    console.log(`the longest wait for a batch was ${(longestWaitMs / 1000).toFixed(2)} s`);
    folder.remove();
  }, 240_000);
});
