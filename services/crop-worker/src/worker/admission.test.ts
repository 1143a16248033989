import { MemoryStore } from '@cropstream/broker';
import { VirtualClock } from '@cropstream/runtime/testing';
import { expect, it } from 'vitest';
import { startFleet } from '../../test-support/fleet.js';
import { Admission } from './admission.js';

function asking() {
  const clock = new VirtualClock();
  const store = new MemoryStore({ clock });
  const lines: string[] = [];
  const tell = (fields: object, message: string) =>
    void lines.push('err' in fields ? String(fields.err) : message);
  const log = { debug: tell, info: tell, warn: tell, error: tell };
  const admission = new Admission({ store, clock, log, id: 'w1', address: 'host:1' });
  admission.start();
  return { clock, store, lines, admission };
}

it('is admitted by the first word that admits it, for life', async () => {
  const { clock, store, admission, lines } = asking();
  await clock.advance(1_000);
  expect(admission.admitted).toBe(false);
  await store.judge('w1', { admitted: true }, 60_000);
  await clock.advance(1_000);
  expect(admission.admitted).toBe(true);
  await admission.whenAdmitted;
  await store.judge('w1', { admitted: false, reason: 'another coordinator cannot reach it' }, 60_000);
  await clock.advance(10_000);
  expect(admission.admitted).toBe(true);
  expect(lines).toEqual(['admitted: taking jobs']);
});

it('says each reason of a refusal once, and goes on asking', async () => {
  const { clock, store, admission, lines } = asking();
  await store.judge('w1', { admitted: false, reason: 'no way to it' }, 60_000);
  await clock.advance(5_000);
  expect(lines).toEqual([
    expect.stringMatching(/w1 at host:1 is refused: no way to it.*CROPSTREAM_ADVERTISE/),
  ]);
  await store.judge('w1', { admitted: true }, 60_000);
  await clock.advance(1_000);
  expect(admission.admitted).toBe(true);
});

it('says whom it waits for where no coordinator runs, and stops asking when stopped', async () => {
  const { clock, store, admission, lines } = asking();
  await clock.advance(60_000);
  expect(lines).toEqual([expect.stringContaining('waiting for a coordinator')]);
  admission.stop();
  await store.judge('w1', { admitted: true }, 60_000);
  await clock.advance(1_000);
  expect(admission.admitted).toBe(false);
});

it('keeps a worker from taking jobs until it is admitted', async () => {
  let admit = () => {};
  const whenAdmitted = new Promise<void>((resolve) => {
    admit = resolve;
  });
  const fleet = await startFleet({ whenAdmitted });
  await fleet.queue(0);
  await fleet.clock.advance(3_000);
  expect((await fleet.state(0)).state).toBe('outstanding');
  expect(fleet.made()).toBe(0);
  admit();
  // At once: no job is waited for longer than the word takes.
  await fleet.clock.advance(0);
  expect((await fleet.state(0)).state).toBe('ready');
  const closed = fleet.worker.close();
  await fleet.clock.advance(5_000);
  await closed;
});

it('closes while it waits to be admitted', async () => {
  const fleet = await startFleet({ whenAdmitted: new Promise(() => {}) });
  const closed = fleet.worker.close();
  await fleet.clock.advance(5_000);
  await closed;
  expect(await fleet.store.workers()).toEqual([]);
});
