import { randomUUID } from 'node:crypto';
import { type AttachmentRecord, type RunRecord, runKeyOf, type WorkerRecord } from '@cropstream/broker';
import { exampleAttachment, exampleRun, exampleWorker } from '@cropstream/broker/contract';
import { RedisStore } from '@cropstream/broker/redis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** What every version writes; all else may be absent. */
const FIRST_RUN = [
  'owner',
  'name',
  'digest',
  'specJson',
  'manifestDigest',
  'chunkSize',
  'fingerprint',
  'openedAt',
];
const FIRST_ATTACHMENT = [
  ...['runKey', 'runName', 'consumer', 'rank', 'worldSize', 'process', 'host', 'pid', 'coordinator'],
  ...['nextStep', 'windowEnd'],
];
const FIRST_WORKER = [
  ...['id', 'address', 'tlsName', 'fingerprint', 'protocolVersion', 'slots', 'outboxBytes', 'outboxLimit'],
];

/** As a service of the first version would write it. */
const older = <T extends object>(record: T, fields: readonly string[]): T =>
  Object.fromEntries(Object.entries(record).filter(([field]) => fields.includes(field))) as T;
/** As one of a version to come would. */
const newer = <T extends object>(record: T): T => ({ ...record, later: { nested: [1] } });

const LEASE_MS = 60_000;
const { owner: OWNER } = exampleRun();
const KEY = runKeyOf(exampleRun());

let store: RedisStore;
beforeEach(async () => {
  store = await RedisStore.open({ url: process.env.REDIS_URL ?? '', prefix: `test-${randomUUID()}` });
});
afterEach(() => store.close());

const withoutFields = { version: '', made: { samples: 0, runs: {} } };

describe('records of an older version', () => {
  it('are whole, with what is known for what it did not write', async () => {
    await store.openRun(older(exampleRun(), FIRST_RUN));
    expect(await store.runByName(OWNER, 'one')).toEqual(exampleRun({ state: 'active' }));
    await store.attach(older(exampleAttachment(), FIRST_ATTACHMENT), LEASE_MS, false);
    const [attachment] = await store.attachments(KEY);
    expect(attachment).toMatchObject({ ...exampleAttachment(), credits: 0, demand: null });
    await store.beat(older(exampleWorker(), FIRST_WORKER), LEASE_MS);
    expect(await store.workers()).toMatchObject([{ ...withoutFields, id: 'w1', process: 'w1', slots: 4 }]);
  });

  it('can be gone on with', async () => {
    await store.openRun(older(exampleRun(), FIRST_RUN));
    expect((await store.openRun(exampleRun())).created).toBe(false);
    await store.setRunState(OWNER, 'one', 'paused');
    expect(await store.runByName(OWNER, 'one')).toMatchObject({ state: 'paused' });
    expect((await store.openRun(exampleRun({ name: 'two' }))).run.fingerprint).toBe('f1');
  });
});

describe('records of a newer version', () => {
  it('are read, and keep what this one does not know', async () => {
    await store.openRun(newer<RunRecord>(exampleRun()));
    await store.attach(newer<Omit<AttachmentRecord, 'fencing'>>(exampleAttachment()), LEASE_MS, false);
    await store.beat(newer<WorkerRecord>(exampleWorker()), LEASE_MS);
    expect(await store.runByName(OWNER, 'one')).toMatchObject(newer(exampleRun()));
    expect(await store.attachments(KEY)).toMatchObject([newer(exampleAttachment())]);
    expect(await store.workers()).toMatchObject([newer(exampleWorker())]);
    await store.setRunState(OWNER, 'one', 'paused');
    expect(await store.runByName(OWNER, 'one')).toMatchObject(newer(exampleRun({ state: 'paused' })));
  });
});
