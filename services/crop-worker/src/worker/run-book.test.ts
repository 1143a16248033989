import { MemoryStore } from '@cropstream/broker';
import { exampleRun } from '@cropstream/broker/contract';
import { type Parts, sealPart } from '@cropstream/datasets';
import { VirtualClock } from '@cropstream/runtime/testing';
import { epochPlan } from '@cropstream/schedule';
import { describe, expect, it } from 'vitest';
import { fakeChunk } from '../../test-support/chunks.js';
import type { Insist } from './insist.js';
import { RunBook } from './run-book.js';

/** A book over a store with the runs a, b and c, that keeps two. */
async function book(options: { failing?: boolean; store?: MemoryStore } = {}) {
  const { store = new MemoryStore({ clock: new VirtualClock() }) } = options;
  await store.putManifest('m', new Uint8Array(1));
  for (const digest of ['a', 'b', 'c']) {
    const run = {
      owner: 'o',
      name: digest,
      digest,
      specJson: '{}',
      manifestDigest: 'm',
      chunkSize: 4,
      fingerprint: 'fp',
      openedAt: 0,
      state: 'active' as const,
    };
    await store.openRun(run);
  }
  const opened: string[] = [];
  const parts: Parts[] = [];
  const closed: string[] = [];
  const runs = new RunBook(
    store,
    async ({ digest }, data) => {
      opened.push(digest);
      parts.push(data.parts);
      if (options.failing) throw new Error('no such dataset');
      return {
        plan: epochPlan({ samples: 8, globalBatchSize: 4, dropLast: true }),
        chunkSize: 4,
        bytesFor: () => 1,
        make: async () => fakeChunk(1),
        close: async () => void closed.push(digest),
      };
    },
    2,
    insist,
  );
  return { runs, store, opened, parts, closed };
}

const insist: Insist = async (call) => {
  for (;;) {
    const outcome = await call().then(
      (value) => ({ value }),
      () => null,
    );
    if (outcome) return outcome.value;
  }
};

const done = async () => 'done' as const;
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('RunBook', () => {
  it('opens a run once for all that use it at a time', async () => {
    const { runs, opened } = await book();
    expect(runs.shape('o.a')).toBeNull();
    await Promise.all([runs.use('o.a', '/data', done), runs.use('o.a', '/data', done)]);
    await runs.use('o.a', '/data', done);
    expect(opened).toEqual(['a']);
    expect(runs.shape('o.a')).toMatchObject({ chunkSize: 4, plan: { stepsPerEpoch: 2 } });
  });

  it('opens a run anew where its dataset moved, and closes the old once nobody uses it', async () => {
    const { runs, opened, closed } = await book();
    await runs.use('o.a', '/data', async () => {
      await runs.use('o.a', '/moved', done);
      await settled();
      expect(closed).toEqual([]);
      return 'done' as const;
    });
    await settled();
    expect(opened).toEqual(['a', 'a']);
    expect(closed).toEqual(['a']);
  });

  it('keeps the last few, never closing one in use', async () => {
    const { runs, opened, closed } = await book();
    await runs.use('o.a', '/data', async () => {
      await runs.use('o.b', '/data', done);
      await runs.use('o.c', '/data', done);
      await settled();
      expect(closed).toEqual(['b']);
    });
    await runs.use('o.b', '/data', done);
    await settled();
    expect(closed).toEqual(['b', 'a']);
    expect(opened).toEqual(['a', 'b', 'c', 'b']);
    await runs.close();
    expect(closed.sort()).toEqual(['a', 'b', 'b', 'c']);
  });

  it('answers null for a run that is not open, and looks again the next time', async () => {
    const { runs } = await book();
    expect(await runs.use('o.gone', '/data', done)).toBeNull();
    expect(await runs.use('o.gone', '/data', done)).toBeNull();
  });

  it('tries again to open what could not be opened', async () => {
    const { runs, opened } = await book({ failing: true });
    await expect(runs.use('o.a', '/data', done)).rejects.toThrow('no such dataset');
    await expect(runs.use('o.a', '/data', done)).rejects.toThrow('no such dataset');
    expect(opened).toEqual(['a', 'a']);
    await runs.close();
  });

  it('waits for a store that is away when what is kept beside a manifest is asked for', async () => {
    const { digest, sealed } = sealPart(Uint8Array.of(1, 2, 3));
    let away = false;
    let asked = 0;
    class Store extends MemoryStore {
      override async manifest(name: string): Promise<Uint8Array | null> {
        if (!away) return super.manifest(name);
        away = ++asked < 3;
        throw new Error('the store is away');
      }
    }
    const { runs, store, parts } = await book({ store: new Store({ clock: new VirtualClock() }) });
    await store.putManifest(digest, sealed);
    await runs.use('o.a', '/data', async () => {
      away = true;
      expect(await parts[0]?.get(digest)).toEqual(Uint8Array.of(1, 2, 3));
      expect(asked).toBe(3);
      return 'done' as const;
    });
  });

  it('closes and forgets runs that ended', async () => {
    const { runs, closed } = await book();
    await runs.use('o.a', '/data', done);
    await runs.use('o.b', '/data', done);
    runs.retain([exampleRun({ owner: 'o', name: 'b', digest: 'b' })]);
    expect(runs.shape('o.a')).toBeNull();
    expect(runs.shape('o.b')).not.toBeNull();
    await settled();
    expect(closed).toEqual(['a']);
  });
});
