import { Nack_Reason } from '@cropstream/protocol';
import { VirtualClock } from '@cropstream/runtime/testing';
import { describe, expect, it } from 'vitest';
import { expectExact, openStream, outcome } from '../test/checks.js';
import { FakeFleet, type Fates, KIND_FATES, type RelayFate } from '../test/fake-fleet.js';
import { FakeRun } from '../test/fake-run.js';
import type { Batch } from './batch.js';
import type { RelayMode } from './routes.js';

function setUp(fates: Partial<Fates>, relay: RelayMode = 'auto') {
  const clock = new VirtualClock();
  const run = new FakeRun();
  const fleet = new FakeFleet(run, clock, { ...KIND_FATES, ...fates });
  const problems: string[] = [];
  const stream = openStream(fleet, clock, { relay, relaying: (problem) => problems.push(problem) });
  const draw = async (first: number, end: number) => {
    for (let step = first; step < end; step++) {
      expectExact(run, (await outcome(clock, stream.next())) as Batch, step);
    }
  };
  const start = () => outcome(clock, stream.start(1000));
  return { clock, run, fleet, stream, problems, draw, start };
}

const inTurn = (...fates: RelayFate[]) => ({ relay: () => fates.shift() ?? ('ok' as const) });
const reasons = ({ nacks }: FakeFleet) => nacks.map(({ reason }) => reason);

describe('relaying', () => {
  it('always: draws all through the coordinator and dials no worker', async () => {
    const { fleet, problems, draw, start } = setUp({ relay: () => 'ok' }, 'always');
    await start();
    await draw(0, 8);
    expect(fleet.fetches).toEqual([]);
    expect(new Set(fleet.relays.map(({ process }) => process))).toEqual(new Set(['p1']));
    expect(problems).toEqual([]);
  });

  it.each(['unreachable', 'silent'] as const)(
    'auto: draws through the coordinator where a worker is %s, says so once, and does not dial it again',
    async (fate) => {
      const { fleet, problems, draw, start } = setUp({ fetch: () => fate, relay: () => 'ok' });
      await start();
      await draw(0, 40);
      expect(reasons(fleet)).toEqual([]);
      // Each worker's first chunks, as many as are fetched at once.
      expect(fleet.fetches.length).toBeLessThanOrEqual(4);
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(fate === 'silent' ? /no byte from w\d:2 for 1 s/ : /connection reset/);
    },
  );

  it('auto: dials again after a while, with one chunk, and stays with the worker if it is reached', async () => {
    let reachable = false;
    const { clock, fleet, draw, start } = setUp({
      fetch: () => (reachable ? 'ok' : 'unreachable'),
      relay: () => 'ok',
    });
    await start();
    await draw(0, 10);
    const dialled = fleet.fetches.length;
    await clock.advance(10_000);
    await draw(10, 20);
    expect(fleet.fetches.length).toBe(dialled + 1);
    reachable = true;
    await clock.advance(19_000);
    await draw(20, 25);
    expect(fleet.fetches.length).toBe(dialled + 1);
    await clock.advance(2_000);
    const relayed = fleet.relays.length;
    await draw(25, 40);
    expect(fleet.fetches.length).toBeGreaterThan(dialled + 10);
    // Those that were under way when the worker was reached.
    expect(fleet.relays.length).toBeLessThan(relayed + 12);
    expect(reasons(fleet)).toEqual([]);
  });

  it('auto: reports a worker that the coordinator cannot reach either', async () => {
    let dials = 0;
    const { fleet, problems, draw, start } = setUp({ fetch: () => (dials++ < 2 ? 'unreachable' : 'ok') });
    await start();
    await draw(0, 8);
    expect(reasons(fleet)).toEqual([Nack_Reason.UNREACHABLE, Nack_Reason.UNREACHABLE]);
    expect(problems).toEqual([]);
  });

  it('auto: reports a worker that it has reached before at once, and asks the coordinator the second time', async () => {
    let lost = false;
    const { fleet, problems, draw, start } = setUp({
      fetch: (_range, _attempt, workerId) => (lost && workerId === 'w3' ? 'unreachable' : 'ok'),
      relay: () => 'ok',
    });
    // Its chunks are announced at the same worker again: it lives.
    const again = fleet.announce.bind(fleet);
    fleet.announce = (range) => again(range, 'w3');
    await start();
    await draw(0, 4);
    lost = true;
    await draw(4, 12);
    expect(new Set(reasons(fleet))).toEqual(new Set([Nack_Reason.UNREACHABLE]));
    expect(problems).toHaveLength(1);
    const [first] = fleet.relays;
    expect(fleet.fetches.filter(({ key }) => key === first?.key)).toHaveLength(2);
  });

  it('never: reports a worker that cannot be reached and leaves the coordinator alone', async () => {
    let dials = 0;
    const { fleet, draw, start } = setUp(
      { fetch: () => (dials++ < 3 ? 'unreachable' : 'ok'), relay: () => 'ok' },
      'never',
    );
    await start();
    await draw(0, 8);
    expect(fleet.relays).toEqual([]);
    expect(reasons(fleet)).toHaveLength(3);
  });

  it('goes on at its offset where the worker dies in the middle, and reports it where nothing comes any more', async () => {
    const { fleet, draw, start } = setUp(inTurn('lost', 'lost', 'gone'), 'always');
    await start();
    await draw(0, 8);
    const [first, ...rest] = fleet.relays;
    const resumed = rest.filter(({ key, offset }) => key === first?.key && offset > 0);
    expect(resumed.length).toBeGreaterThan(0);
    expect(reasons(fleet)).toEqual([Nack_Reason.UNREACHABLE]);
  });

  it.each(['away', 'full', 'busy', 'silent'] as const)(
    'says nothing of the worker where the coordinator is %s, and asks again',
    async (fate) => {
      const { fleet, draw, start } = setUp(inTurn(fate, fate, fate, fate, fate), 'always');
      await start();
      await draw(0, 8);
      expect(reasons(fleet)).toEqual([]);
    },
  );

  it.each([
    ['not-found', Nack_Reason.NOT_FOUND],
    ['damaged', Nack_Reason.DAMAGED],
    ['gone', Nack_Reason.UNREACHABLE],
  ] as const)(
    'reports what is %s through the coordinator as if it were fetched directly',
    async (fate, reason) => {
      const { fleet, draw, start } = setUp(inTurn(fate), 'always');
      await start();
      await draw(0, 8);
      expect(reasons(fleet)).toEqual([reason]);
    },
  );

  it('always: ends where the coordinator is too old to relay', async () => {
    const { clock, stream, start } = setUp({ relay: () => 'old' }, 'always');
    await start();
    await expect(outcome(clock, stream.next())).rejects.toMatchObject({ code: 'PROTOCOL_MISMATCH' });
  });

  it('auto: reports the worker where the coordinator is too old to relay', async () => {
    let dials = 0;
    const { fleet, draw, start } = setUp({
      fetch: () => (dials++ < 1 ? 'unreachable' : 'ok'),
      relay: () => 'old',
    });
    await start();
    await draw(0, 8);
    expect(reasons(fleet)).toEqual([Nack_Reason.UNREACHABLE]);
  });
});
