import type { Principal } from '@cropstream/runtime';
import { describe, expect, it } from 'vitest';
import { useFixture } from '../test-support/fixture.js';
import { sharesOf } from './quotas.js';

const f = useFixture();
const principal = (owner: string): Principal => ({ name: `a-trainer-of-${owner}`, owner, role: 'trainer' });
const [ANN, BOB] = [principal('ann'), principal('bob')];

describe('runs of two owners', () => {
  it('may have one name, and share nothing', async () => {
    const ann = await f.current.open('run', {}, 'ann');
    const bob = await f.current.open('run', {}, 'bob');
    expect(bob.digest).toBe(ann.digest);
    expect((await f.current.catalog.list('ann')).map(({ owner }) => owner)).toEqual(['ann']);
    expect(await f.current.catalog.list()).toHaveLength(2);
    const worker = f.current.worker('w1');
    const [anns, bobs] = [
      await f.current.attach(ann, {}, 4, 0, ANN),
      await f.current.attach(bob, {}, 4, 0, BOB),
    ];
    expect([anns.ended, bobs.ended]).toEqual([null, null]);
    const made: string[] = [];
    for (let pass = 0; pass < 3; pass++) {
      made.push(...(await worker.makeAll()).map(({ runKey }) => runKey));
      await f.current.clock.advance(1_000);
    }
    expect(made.toSorted()).toEqual([...Array(4).fill(ann.key), ...Array(4).fill(bob.key)]);
    expect(anns.ready).toHaveLength(4);
    expect(bobs.ready).toHaveLength(4);
  });

  it('are not found by the other, by whatever is known of them', async () => {
    const run = await f.current.open('secret', {}, 'ann');
    await f.current.open('mine', {}, 'bob');
    const trainer = await f.current.attach(run, {}, 4, 0, BOB);
    expect(trainer.ended?.error).toMatchObject({ code: 'RUN_NOT_FOUND', details: { known: 'mine' } });
    await expect(f.current.catalog.byName('bob', 'secret')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    expect((await f.current.catalog.byName('bob', '')).name).toBe('mine');
  });
});

describe('a quota', () => {
  const exceeded = (what: string) => ({ code: 'QUOTA_EXCEEDED', details: { owner: 'ann', what } });

  it('of runs holds for those that are open and those that come at once, and for no other owner', async () => {
    f.current.quotas.set('ann', { maxRuns: 2 });
    const opened = await Promise.allSettled(
      ['a', 'b', 'c'].map((name, seed) => f.current.open(name, { seed }, 'ann')),
    );
    expect(opened.filter(({ status }) => status === 'rejected')).toMatchObject([
      { reason: exceeded('open runs') },
    ]);
    await f.current.open('d', {}, 'bob');
    const [open] = await f.current.catalog.list('ann');
    if (open === undefined) return expect.unreachable();
    // One that is open is opened again all the same, and room comes back.
    await f.current.open(open.name, { seed: open.spec.seed }, 'ann');
    await f.current.store.closeRun('ann', open.name);
    await f.current.open('e', {}, 'ann');
  });

  it('of openings holds at once', async () => {
    f.current.quotas.set('ann', { maxOpening: 1 });
    const first = f.current.open('a', {}, 'ann');
    await expect(f.current.open('b', {}, 'ann')).rejects.toMatchObject(exceeded('runs being opened'));
    await first;
    await f.current.open('b', {}, 'ann');
  });

  it('of ranks holds over all runs and coordinators, and gives way to a rank that comes back', async () => {
    f.current.quotas.set('ann', { maxAttachments: 2 });
    const one = await f.current.open('one', {}, 'ann');
    const two = await f.current.open('two', { seed: 2 }, 'ann');
    await f.current.attach(one, { process: 'p' }, 4, 0, ANN);
    const elsewhere = await f.current.attach(two, {}, 4, 0, ANN);
    const third = await f.current.attach(one, { consumer: 'other' }, 4, 0, ANN);
    expect(third.ended?.error).toMatchObject(exceeded('ranks attached'));
    expect((await f.current.attach(one, { process: 'p' }, 4, 0, ANN)).ended).toBeNull();
    elsewhere.connection.disconnect();
    await f.current.clock.advance(100);
    expect((await f.current.attach(one, { consumer: 'other' }, 4, 0, ANN)).ended).toBeNull();
  });
});

describe('the queue', () => {
  const weights: Readonly<Record<string, number>> = { light: 1, heavy: 3 };
  const shares = (slots: number, ...keys: string[]) =>
    Object.fromEntries(sharesOf(slots, new Set(keys), (owner) => ({ weight: weights[owner] ?? 1 })));

  it('is shared out by the weights of owners, then evenly among the runs of each', () => {
    expect(shares(8, 'light.a')).toEqual({ 'light.a': 16 });
    expect(shares(8, 'light.a', 'light.b')).toEqual({ 'light.a': 8, 'light.b': 8 });
    expect(shares(8, 'light.a', 'heavy.b')).toEqual({ 'light.a': 4, 'heavy.b': 12 });
    expect(shares(8, 'light.a', 'light.b', 'heavy.c')).toEqual({ 'light.a': 2, 'light.b': 2, 'heavy.c': 12 });
  });

  it('leaves something to each run, and all to those that are drawn from', () => {
    expect(shares(1, 'light.a', 'heavy.b', 'light.c')).toMatchObject({ 'light.a': 1, 'light.c': 1 });
    expect(shares(0, 'light.a')).toEqual({ 'light.a': 1 });
    expect(shares(4)).toEqual({});
  });
});
