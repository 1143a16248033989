import { describe, expect, it } from 'vitest';
import { runKeyOf } from '../names.js';
import { REPORTS_KEPT } from '../records.js';
import { CLOSED_MS } from '../store.js';
import { chunkContract } from './chunk-contract.js';
import {
  exampleAttachment,
  exampleReady,
  exampleRun,
  exampleSubstitution,
  exampleWorker,
  type StoreUnderTest,
} from './examples.js';

/** What every adapter of Store must do: a suite to call in a vitest file, `make` giving a fresh store a test. */
export function storeContract(make: () => Promise<StoreUnderTest>): void {
  const test = (name: string, body: (under: StoreUnderTest) => Promise<void>) =>
    it(name, async () => {
      const under = await make();
      try {
        await body(under);
      } finally {
        await under.end();
      }
    });

  describe('a store of runs', () => {
    test('opens a run once and gives it back whole', async ({ store }) => {
      const run = exampleRun();
      expect(await store.openRun(run)).toEqual({ run, created: true });
      expect(await store.openRun({ ...run, digest: 'ff00', openedAt: 9 })).toEqual({ run, created: false });
      expect(await store.runByName('o1', run.name)).toEqual(run);
      expect(await store.runByKey('o1.d1')).toEqual(run);
      expect(await store.runByKey('o1.ff00')).toBeNull();
      expect(await store.runByName('o1', 'other')).toBeNull();
      expect(await store.runs()).toEqual([run]);
    });

    test('takes the new place of a dataset that moved, and no other change', async ({ store }) => {
      await store.openRun(exampleRun());
      const moved = exampleRun({ specJson: '{"seed":42,"moved":true}', openedAt: 9 });
      const stored = exampleRun({ specJson: moved.specJson });
      expect(await store.openRun(moved)).toEqual({ run: stored, created: false });
      expect(await store.runByName('o1', 'one')).toEqual(stored);
    });

    test('cuts the chunks of one digest in one way, whatever its names', async ({ store }) => {
      await store.openRun(exampleRun({ chunkSize: 64 }));
      const two = exampleRun({ name: 'two', chunkSize: 8, fingerprint: 'f2' });
      const stored = exampleRun({ name: 'two' });
      expect(await store.openRun(two)).toEqual({ run: stored, created: true });
      await store.closeRun('o1', 'one');
      expect(await store.openRun(two)).toEqual({ run: stored, created: false });
    });

    test('keeps the jobs of two names apart, though they share chunks', async ({ store }) => {
      for (const name of ['one', 'two']) {
        await store.openRun(exampleRun({ name }));
        const attachment = exampleAttachment({ runName: name, process: name });
        expect(await store.attach(attachment, 60_000, false)).toMatchObject({ ok: true });
      }
      expect(await store.attachments('o1.d1')).toHaveLength(2);
    });

    test('forgets all of a closed run, and nothing of another', async ({ store }) => {
      const [one, two] = [exampleRun(), exampleRun({ name: 'two', digest: 'ff00' })];
      await store.openRun(one);
      await store.openRun(two);
      await store.beat(exampleWorker(), 60_000);
      for (const run of [one, two]) {
        const attachment = exampleAttachment({ runName: run.name, runKey: runKeyOf(run) });
        await store.attach(attachment, 60_000, false);
        await store.claim(runKeyOf(run), '0-0-4', 9);
        await store.publish(runKeyOf(run), exampleReady('0-0-4', 1));
      }
      await store.closeRun('o1', one.name);
      await store.closeRun('o1', 'unheard-of');
      expect(await store.runs()).toEqual([two]);
      expect(await store.attachments(runKeyOf(one))).toEqual([]);
      expect(await store.chunkStates(runKeyOf(one), ['0-0-4'])).toEqual([{ state: 'none' }]);
      expect(await store.cursor(one, 'job', 0)).toBeNull();
      expect(await store.attachments(runKeyOf(two))).toHaveLength(1);
      expect(await store.chunkStates(runKeyOf(two), ['0-0-4'])).toMatchObject([{ state: 'ready' }]);
    });

    test('shares chunks between two names of one digest until the last is closed', async ({ store }) => {
      await store.openRun(exampleRun());
      await store.openRun(exampleRun({ name: 'two' }));
      await store.claim('o1.d1', '0-0-4', 9);
      await store.closeRun('o1', 'one');
      expect(await store.runByKey('o1.d1')).toEqual(exampleRun({ name: 'two' }));
      expect(await store.chunkStates('o1.d1', ['0-0-4'])).toMatchObject([{ state: 'outstanding' }]);
      await store.closeRun('o1', 'two');
      expect(await store.outstanding('o1.d1')).toEqual([]);
    });

    test('gives each owner names and chunks of its own', async ({ store }) => {
      const [ours, theirs] = [exampleRun(), exampleRun({ owner: 'o2', chunkSize: 8, fingerprint: 'f2' })];
      expect(await store.openRun(ours)).toMatchObject({ created: true });
      expect(await store.openRun(theirs)).toEqual({ run: theirs, created: true });
      expect(await store.openRun(exampleRun({ owner: 'o2', digest: 'ff00' }))).toEqual({
        run: theirs,
        created: false,
      });
      expect(await store.runByName('o2', 'one')).toEqual(theirs);
      expect(await store.runByKey('o2.d1')).toEqual(theirs);
      expect(await store.runByName('o3', 'one')).toBeNull();
      expect(await store.runs()).toHaveLength(2);
      await store.beat(exampleWorker(), 60_000);
      await store.claim('o1.d1', '0-0-4', 9);
      await store.publish('o1.d1', exampleReady('0-0-4', 1));
      expect(await store.chunkStates('o2.d1', ['0-0-4'])).toEqual([{ state: 'none' }]);
      await store.attach(exampleAttachment(), 60_000, false);
      expect(await store.attachments('o2.d1')).toEqual([]);
      expect(await store.cursor(theirs, 'job', 0)).toBeNull();
      await store.closeRun('o2', 'one');
      expect(await store.runs()).toEqual([ours]);
      expect(await store.attachments('o1.d1')).toHaveLength(1);
      expect(await store.chunkStates('o1.d1', ['0-0-4'])).toMatchObject([{ state: 'ready' }]);
    });

    test('names no run of another owner where one is not found', async ({ store }) => {
      await store.openRun(exampleRun({ name: 'ours' }));
      await store.openRun(exampleRun({ owner: 'o2', name: 'theirs', digest: 'd2' }));
      const attaching = store.attach(exampleAttachment({ runName: 'theirs', runKey: 'o1.d2' }), 1_000, false);
      await expect(attaching).rejects.toMatchObject({
        code: 'RUN_NOT_FOUND',
        details: { run: 'theirs', known: 'ours' },
      });
    });

    test('forgets a run that is idle, but not one with a rank attached', async ({
      store,
      idleMs,
      advance,
    }) => {
      await store.openRun(exampleRun());
      await store.openRun(exampleRun({ name: 'two', digest: 'ff00' }));
      const fenced = await attached(store, exampleAttachment({ runName: 'two', runKey: 'o1.ff00' }), 60_000);
      await advance(0.7 * idleMs);
      await store.renew(fenced, 60_000);
      await advance(0.7 * idleMs);
      expect((await store.runs()).map(({ name }) => name)).toEqual(['two']);
      expect(await store.openRun(exampleRun())).toMatchObject({ created: true });
    });

    test('pauses a run and lets it go on, also where it is opened again', async ({ store }) => {
      await store.openRun(exampleRun());
      const paused = exampleRun({ state: 'paused' });
      expect(await store.setRunState('o1', 'one', 'paused')).toEqual(paused);
      expect(await store.runByName('o1', 'one')).toEqual(paused);
      expect(await store.openRun(exampleRun())).toEqual({ run: paused, created: false });
      expect(await store.setRunState('o1', 'one', 'active')).toEqual(exampleRun());
      expect(await store.runs()).toEqual([exampleRun()]);
      expect(await store.setRunState('o1', 'unheard-of', 'paused')).toBeNull();
    });

    test('knows a run that was closed from one that was not, until it is opened again', async ({ store }) => {
      await store.openRun(exampleRun());
      await store.openRun(exampleRun({ name: 'two' }));
      await store.closeRun('o1', 'one');
      expect(await store.wasClosed('o1.d1', 'one')).toBe(true);
      expect(await store.wasClosed('o1.ff00', 'one')).toBe(false);
      expect(await store.wasClosed('o1.d1', 'two')).toBe(false);
      await store.openRun(exampleRun());
      expect(await store.wasClosed('o1.d1', 'one')).toBe(false);
    });

    test('forgets after a while that a run was closed', async ({ store, advance, idleMs }) => {
      if (idleMs < CLOSED_MS) return; // Time is real there.
      await store.openRun(exampleRun());
      await store.closeRun('o1', 'one');
      await advance(CLOSED_MS + 1);
      expect(await store.wasClosed('o1.d1', 'one')).toBe(false);
    });

    test('keeps a manifest as it was put', async ({ store }) => {
      const bytes = new Uint8Array(100_000).map((_, i) => i * 7);
      await store.putManifest('m1', bytes.subarray(0, 0));
      await store.putManifest('m2', bytes);
      expect(await store.manifest('m1')).toHaveLength(0);
      expect(Buffer.from((await store.manifest('m2')) ?? []).equals(Buffer.from(bytes))).toBe(true);
      const start = await store.manifest('m2', 10);
      expect(Buffer.from(start ?? []).subarray(0, 10)).toEqual(Buffer.from(bytes.subarray(0, 10)));
      expect(await store.manifest('m3')).toBeNull();
    });

    test('keeps the manifest of an open run and one that is read, and forgets any other', async ({
      store,
      idleMs,
      advance,
    }) => {
      await store.openRun(exampleRun({ manifestDigest: 'used' }));
      await store.putManifest('used', new Uint8Array(1));
      await store.putManifest('read', new Uint8Array(2));
      await store.putManifest('unused', new Uint8Array(1));
      for (let i = 0; i < 3; i++) {
        await advance(0.7 * idleMs);
        expect(await store.manifest('read')).toHaveLength(2);
        await store.openRun(exampleRun({ manifestDigest: 'used' }));
      }
      expect(await store.manifest('used')).toHaveLength(1);
      expect(await store.manifest('unused')).toBeNull();
    });
  });

  describe('a store of reports', () => {
    test('gives them newest first, a page at a time, for as long as the run is open', async ({ store }) => {
      await store.reportSubstitutions('o1.d1', [exampleSubstitution(0)]);
      await store.openRun(exampleRun());
      expect(await store.reports('o1.d1', 'substitutions', { most: 9 })).toEqual({ total: 0, reports: [] });
      await store.reportSubstitutions('o1.d1', []);
      await store.reportSubstitutions('o1.d1', [0, 1, 2].map(exampleSubstitution));
      await store.reportSubstitutions('o1.d1', [3, 4].map(exampleSubstitution));
      const numbered = (from: number, to: number) =>
        Array.from({ length: from - to + 1 }, (_, i) => ({
          number: from - i,
          report: exampleSubstitution(from - i - 1),
        }));
      expect(await store.reports('o1.d1', 'substitutions', { most: 2 })).toEqual({
        total: 5,
        reports: numbered(5, 4),
      });
      expect(await store.reports('o1.d1', 'substitutions', { before: 4, most: 9 })).toEqual({
        total: 5,
        reports: numbered(3, 1),
      });
      expect(await store.reports('o1.d1', 'substitutions', { most: 0 })).toEqual({ total: 5, reports: [] });
      expect(await store.reports('o1.d1', 'substitutions', { before: 1, most: 9 })).toEqual({
        total: 5,
        reports: [],
      });
      await store.closeRun('o1', 'one');
      await store.openRun(exampleRun());
      expect(await store.reports('o1.d1', 'substitutions', { most: 9 })).toEqual({ total: 0, reports: [] });
    });

    test('keeps the newest, and counts all', async ({ store }) => {
      await store.openRun(exampleRun());
      for (let from = 0; from < REPORTS_KEPT + 50; from += 50) {
        await store.reportSubstitutions(
          'o1.d1',
          Array.from({ length: 50 }, (_, i) => exampleSubstitution(from + i)),
        );
      }
      const { total, reports } = await store.reports('o1.d1', 'substitutions', { most: 2 * REPORTS_KEPT });
      expect(total).toBe(REPORTS_KEPT + 50);
      expect(reports.map(({ number }) => number)).toEqual(
        Array.from({ length: REPORTS_KEPT }, (_, i) => REPORTS_KEPT + 50 - i),
      );
    });

    test('reports each chunk that failed for good, not one that was made after all', async ({ store }) => {
      await store.openRun(exampleRun());
      await store.beat(exampleWorker(), 60_000);
      await store.claim('o1.d1', '0-0-4', 9);
      await store.publish('o1.d1', exampleReady('0-0-4', 1));
      await store.failChunk('o1.d1', '0-0-4', '{}');
      await store.claim('o1.d1', '0-4-8', 9);
      await store.failChunk('o1.d1', '0-4-8', '{"code":"NO_GOOD_SAMPLE"}');
      const { total, reports } = await store.reports('o1.d1', 'failures', { most: 9 });
      expect(total).toBe(1);
      expect(reports).toMatchObject([
        { number: 1, report: { chunk: '0-4-8', errorJson: '{"code":"NO_GOOD_SAMPLE"}' } },
      ]);
      expect(reports[0]?.report.at).toBeGreaterThanOrEqual(0);
    });
  });

  describe('a store of attachments', () => {
    test('gives a rank to one process, and says who has it', async ({ store }) => {
      await store.openRun(exampleRun());
      const first = await attached(store, exampleAttachment(), 60_000);
      const refused = await store.attach(exampleAttachment({ process: 'p2', pid: 2 }), 60_000, false);
      expect(refused).toEqual({ ok: false, holder: first });
      expect(await store.attachments('o1.d1')).toEqual([first]);
    });

    test('lets the same process attach again, and another take over; the newest wins', async ({ store }) => {
      await store.openRun(exampleRun());
      const first = await attached(store, exampleAttachment(), 60_000);
      const second = await attached(store, exampleAttachment({ coordinator: 'c2' }), 60_000);
      expect(second.fencing).toBeGreaterThan(first.fencing);
      expect(await store.renew(first, 60_000)).toBe(false);
      const taken = await store.attach(exampleAttachment({ process: 'p2' }), 60_000, true);
      expect(taken).toMatchObject({ ok: true });
      expect(await store.renew(second, 60_000)).toBe(false);
      await store.detach(second);
      expect(await store.attachments('o1.d1')).toMatchObject([{ process: 'p2' }]);
    });

    test('keeps ranks and consumers apart', async ({ store }) => {
      await store.openRun(exampleRun());
      await attached(store, exampleAttachment(), 60_000);
      await attached(store, exampleAttachment({ rank: 1, process: 'p2' }), 60_000);
      await attached(store, exampleAttachment({ consumer: 'other', process: 'p3' }), 60_000);
      expect(await store.attachments('o1.d1')).toHaveLength(3);
      expect(await store.attachments('o1.d2')).toEqual([]);
    });

    test('lets an attachment go when its lease runs out', async ({ store, advance }) => {
      await store.openRun(exampleRun());
      const first = await attached(store, exampleAttachment(), 2_000);
      await advance(1_200);
      expect(await store.renew({ ...first, nextStep: 7 }, 2_000)).toBe(true);
      await advance(1_200);
      expect(await store.attachments('o1.d1')).toEqual([{ ...first, nextStep: 7 }]);
      await advance(1_200);
      expect(await store.attachments('o1.d1')).toEqual([]);
      await attached(store, exampleAttachment({ process: 'p2' }), 2_000);
    });

    test('takes a late renewal for a sign of life, unless the rank was taken', async ({ store, advance }) => {
      await store.openRun(exampleRun());
      const first = await attached(store, exampleAttachment(), 1_500);
      await advance(1_700);
      expect(await store.renew(first, 1_500)).toBe(true);
      expect(await store.attachments('o1.d1')).toEqual([first]);
      await advance(1_700);
      const second = await attached(store, exampleAttachment({ process: 'p2' }), 1_500);
      await store.detach(second);
      expect(await store.renew(first, 1_500)).toBe(false);
      expect(await store.attachments('o1.d1')).toEqual([]);
    });

    test('renews many ranks at once, each by itself', async ({ store }) => {
      await store.openRun(exampleRun());
      await store.openRun(exampleRun({ name: 'two' }));
      const [one, old, other] = [
        await attached(store, exampleAttachment(), 60_000),
        await attached(store, exampleAttachment({ rank: 1 }), 60_000),
        await attached(store, exampleAttachment({ runName: 'two' }), 60_000),
      ];
      await attached(store, exampleAttachment({ rank: 1 }), 60_000);
      await store.closeRun('o1', 'two');
      const renewals = [{ ...one, nextStep: 5 }, old, other].map((each) => store.renew(each, 60_000));
      expect(await Promise.allSettled(renewals)).toMatchObject([
        { value: true },
        { value: false },
        { reason: { code: 'RUN_NOT_FOUND' } },
      ]);
      expect(await store.cursor(exampleRun(), 'job', 0)).toBe(5);
    });

    test('remembers where a rank was', async ({ store }) => {
      await store.openRun(exampleRun());
      expect(await store.cursor(exampleRun(), 'job', 0)).toBeNull();
      const first = await attached(store, exampleAttachment({ nextStep: 3 }), 60_000);
      expect(await store.cursor(exampleRun(), 'job', 0)).toBe(3);
      await store.renew({ ...first, nextStep: 8 }, 60_000);
      expect(await store.cursor(exampleRun(), 'job', 0)).toBe(8);
      await store.detach({ ...first, nextStep: 9 });
      expect(await store.attachments('o1.d1')).toEqual([]);
      expect(await store.cursor(exampleRun(), 'job', 0)).toBe(9);
      await attached(store, exampleAttachment({ nextStep: 2 }), 60_000);
      expect(await store.cursor(exampleRun(), 'job', 0)).toBe(2);
    });

    test('keeps what a trainer says of its pace, as it was renewed last', async ({ store }) => {
      await store.openRun(exampleRun());
      const first = await attached(store, exampleAttachment({ credits: 3 }), 60_000);
      expect(await store.attachments('o1.d1')).toMatchObject([{ credits: 3, demand: null }]);
      const pace = { credits: 5, waitedSeconds: 1 / 3, elapsedSeconds: 12.25, demand: 812.5 };
      await store.renew({ ...first, ...pace }, 60_000);
      expect(await store.attachments('o1.d1')).toEqual([{ ...first, ...pace }]);
    });

    test('says so when the run is not open', async ({ store }) => {
      const lost = { code: 'RUN_NOT_FOUND' };
      await expect(store.attach(exampleAttachment(), 1_000, false)).rejects.toMatchObject(lost);
      await store.openRun(exampleRun());
      const first = await attached(store, exampleAttachment(), 60_000);
      await store.closeRun('o1', 'one');
      await expect(store.renew(first, 1_000)).rejects.toMatchObject(lost);
      await expect(store.claim('o1.d1', '0-0-4', 1)).rejects.toMatchObject(lost);
      await store.detach(first);
    });
  });

  chunkContract(test);

  describe('a store of workers', () => {
    test('knows a worker while it beats', async ({ store, advance }) => {
      await store.beat(exampleWorker(), 2_500);
      await store.beat(exampleWorker({ id: 'w2' }), 2_500);
      await advance(1_500);
      await store.beat(exampleWorker({ outboxBytes: 5 }), 2_500);
      await advance(1_500);
      expect(await store.workers()).toEqual([exampleWorker({ outboxBytes: 5 })]);
      await store.leave('w1');
      await store.leave('unheard-of');
      expect(await store.workers()).toEqual([]);
    });

    test('keeps what a worker has made, as it was said last', async ({ store }) => {
      await store.beat(exampleWorker(), 60_000);
      const runs = {
        ['d'.repeat(64)]: { samples: 2 ** 40, busySeconds: 0.125, substituted: 1, failures: 0 },
      };
      const made = { samples: 2 ** 40 + 64, chunks: 2 ** 34, bytes: 2 ** 52, busySeconds: 86_400.5, runs };
      await store.beat(exampleWorker({ made }), 60_000);
      expect(await store.workers()).toEqual([exampleWorker({ made })]);
    });

    test('tells a worker the newest word on it, for a while', async ({ store, advance }) => {
      expect(await store.verdict('w1')).toBeNull();
      const refused = { admitted: false, reason: 'nobody answers at w1:1' } as const;
      await store.judge('w1', refused, 2_500);
      expect(await store.verdict('w1')).toEqual(refused);
      expect(await store.verdict('w2')).toBeNull();
      await store.judge('w1', { admitted: true }, 2_500);
      expect(await store.verdict('w1')).toEqual({ admitted: true });
      await advance(2_700);
      expect(await store.verdict('w1')).toBeNull();
    });
  });

  describe('wakes', () => {
    test('reach the listeners of their topic until they stop', async ({ store, advance }) => {
      let heard = 0;
      let other = 0;
      const stop = store.onWake('t', () => heard++);
      const stopOther = store.onWake('other', () => other++);
      // A wake may be lost, and one that comes before the listener is known is.
      for (let tries = 0; heard === 0 && tries < 100; tries++) {
        await store.wake('t');
        await advance(50);
      }
      expect(heard).toBeGreaterThan(0);
      stop();
      const before = heard;
      await store.wake('t');
      await advance(50);
      expect(heard).toBe(before);
      expect(other).toBe(0);
      stopOther();
    });
  });
}

async function attached(
  store: StoreUnderTest['store'],
  attachment: ReturnType<typeof exampleAttachment>,
  leaseMs: number,
) {
  const answer = await store.attach(attachment, leaseMs, false);
  if (!answer.ok) expect.unreachable(`the rank is held by ${answer.holder.process}`);
  return { ...attachment, fencing: answer.fencing };
}
