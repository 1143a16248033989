import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Batch } from '@cropstream/client';
import { failure } from '@cropstream/errors';
import { expect, onTestFinished, test, vi } from 'vitest';
import { cropstream } from '../testing/cli.js';

/** A run whose second batch never comes. */
vi.mock('@cropstream/client', async (original) => {
  const client = await original<typeof import('@cropstream/client')>();
  const loader = {
    run: { name: 'run', stepsPerEpoch: 2n, views: ['v'] },
    async *[Symbol.asyncIterator]() {
      const one = BigInt64Array.of(0n);
      const none = { views: new Map(), fields: new Map(), params: null, substitutions: [] };
      yield new Batch({ epoch: 0, step: 0, globalStep: 0, indices: one, labels: one, ...none });
      throw failure('UNREACHABLE', { target: 'host:1', reason: 'gone' });
    },
    close: async () => {},
  };
  return { ...client, MultiCropLoader: { open: async () => loader } };
});

test('a file of digests that cannot be written is refused at once', async () => {
  await expect(cropstream('pull', '--digests', '/nowhere/digests.txt')).rejects.toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
  });
});

test('what was drawn before an error is in the file of digests', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cropstream-pull-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'digests.txt');
  await expect(cropstream('pull', '--digests', file)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect(await readFile(file, 'utf8')).toMatch(/^0 [0-9a-f]{64}\n$/);
});
