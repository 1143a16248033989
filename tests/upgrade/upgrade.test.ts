import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../integration/harness.js';
import { otherFingerprint, sameFingerprint } from './upgrade.mjs';

const SIZE = { coordinators: 1, workers: 1 };
const UNDISTURBED = { equal: true, lost: 0, repeated: 0, other: 0 };

describe('every process is replaced under load, and each rank draws the undisturbed stream', () => {
  it('where the new version has the same pixels', async () => {
    const folder = temporaryFolder();
    const { ranks, failures, longestWaitMs } = await sameFingerprint(folder.path, SIZE);
    expect(failures).toEqual([]);
    expect(ranks).toMatchObject([UNDISTURBED, UNDISTURBED]);
    console.log(`the longest wait for a batch was ${(longestWaitMs / 1000).toFixed(2)} s`);
    folder.remove();
  }, 240_000);

  it('where it has others, whose workers come beside the old ones until the old run ends', async () => {
    const folder = temporaryFolder();
    const { ranks, newRun, withoutOldWorkers, failures } = await otherFingerprint(folder.path, SIZE);
    expect(failures).toEqual([]);
    expect(ranks).toMatchObject([UNDISTURBED, UNDISTURBED]);
    expect(newRun.ranks).toMatchObject([UNDISTURBED, UNDISTURBED]);
    expect(withoutOldWorkers?.code).toBe('STREAM_STALLED');
    folder.remove();
  }, 240_000);
});
