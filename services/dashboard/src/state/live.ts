import type { FleetEvent, GoneEvent, Run, RunEvent } from '@cropstream/api';
import { batch, computed, effect, signal } from '@preact/signals';
import { type ApiEvent, follow } from '../api/events.js';
import { History } from '../charts/timeline.js';
import { route } from '../router.js';
import { RateMeter, type Rates } from './rates.js';
import { admission, refuse, token } from './session.js';
import { WaitMeter } from './waits.js';

/** How the stream of events is. */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** Since when (milliseconds since 1970), and why; undefined: it ended, or said nothing for too long. */
  | { readonly state: 'lost'; readonly since: number; readonly error: unknown };

/** How far back the charts go. */
const HISTORY_SECONDS = 600;
/** The owner of operators of the platform, who see all. */
const EVERY_OWNER = '*';
/** The contract's bound on the runs of one stream. */
const MOST_RUNS = 32;

export const connection = signal<Connection>({ state: 'connecting' });
/** The last snapshot; null: none came yet. */
export const fleet = signal<FleetEvent | null>(null);
/** By run name: those that the page asked for. */
export const runEvents = signal<ReadonlyMap<string, RunEvent>>(new Map());
/** Runs that were asked for and are not open. */
export const goneRuns = signal<ReadonlySet<string>>(new Set());
export const rates = signal<Rates | null>(null);

const meter = new RateMeter();
export const waits = new WaitMeter();
const byRun = new History(HISTORY_SECONDS);
const byWorker = new History(HISTORY_SECONDS);

/** Drawn anew with each snapshot. */
export const runTimeline = computed(() => {
  fleet.value;
  return byRun.timeline();
});
export const workerTimeline = computed(() => {
  fleet.value;
  return byWorker.timeline();
});

const retries = new EventTarget();
export const retryNow = (): boolean => retries.dispatchEvent(new Event('retry'));

/** Whether the reader may pause, resume and close runs. */
export const mayOperate = computed(() => fleet.value?.status.principal.role === 'operator');

/**
 * What the stream should tell of: the run of a run's page; elsewhere each of the reader's runs, for the table. A
 * string, so that the stream begins anew only when it changes.
 */
const wanted = computed(() => {
  const { value: at } = route;
  const query = new URLSearchParams();
  if (at.page === 'run') {
    query.set('runs', at.name);
    if (at.owner !== null) query.set('owner', at.owner);
  } else if (at.page === 'fleet') {
    const names = own.value;
    if (names !== '') query.set('runs', names);
  }
  const text = query.toString();
  return text === '' ? 'events' : `events?${text}`;
});

/** Names of the runs in sight that need no owner beside them, the first ones. */
const own = computed(() => {
  const { value: snapshot } = fleet;
  if (snapshot === null) return '';
  return snapshot.runs
    .filter((run) => ownerBeside(run) === null || isOnly(run, snapshot.runs))
    .slice(0, MOST_RUNS)
    .map(({ name }) => name)
    .sort()
    .join(',');
});

/** Whether no other owner has a run of that name: then an operator of the platform need not say whose. */
const isOnly = ({ name }: Run, runs: readonly Run[]): boolean =>
  fleet.peek()?.status.principal.owner === EVERY_OWNER &&
  runs.filter((run) => run.name === name).length === 1;

/** Who stands beside a run's name in an address: null for the reader's own. */
export const ownerBeside = ({ owner }: Pick<Run, 'owner'>): string | null =>
  owner === fleet.peek()?.status.principal.owner ? null : owner;

/** What the stream told last of a run. */
export const eventOf = ({ name, owner }: Pick<Run, 'name' | 'owner'>): RunEvent | undefined => {
  const event = runEvents.value.get(name);
  return event?.run.owner === owner ? event : undefined;
};

const shutOut = computed(() => admission.value === 'wanted' || admission.value === 'refused');

/** Keeps the signals above true for as long as the page lives. */
export function goLive(): void {
  effect(() => {
    const path = wanted.value;
    // A new token is a new reader.
    token.value;
    if (shutOut.value) return;
    const ending = new AbortController();
    void follow(path, { onEvent, onOpen, onLost }, ending.signal, retries);
    return () => ending.abort();
  });
}

function onOpen(): void {
  batch(() => {
    admission.value = 'admitted';
    if (connection.peek().state === 'lost') meter.clear();
    connection.value = { state: 'live' };
  });
}

function onLost(error: unknown, final: boolean): void {
  if (final) {
    refuse(error);
    return;
  }
  const was = connection.peek();
  connection.value = { state: 'lost', since: was.state === 'lost' ? was.since : Date.now(), error };
}

/** Forgets what the last reader saw. */
export function forget(): void {
  batch(() => {
    fleet.value = null;
    runEvents.value = new Map();
    goneRuns.value = new Set();
    rates.value = null;
    connection.value = { state: 'connecting' };
  });
  meter.clear();
  byRun.clear();
  byWorker.clear();
}

function onEvent(told: ApiEvent): void {
  batch(() => {
    switch (told.event) {
      case 'fleet':
        onFleet(told.data);
        break;
      case 'run':
        onRun(told.data);
        break;
      case 'gone':
        onGone(told.data);
    }
  });
}

function onGone({ name }: GoneEvent): void {
  goneRuns.value = new Set([...goneRuns.peek(), name]);
  const left = new Map(runEvents.peek());
  left.delete(name);
  runEvents.value = left;
}

function onFleet(event: FleetEvent): void {
  const at = Date.parse(event.status.at) / 1000;
  meter.add(at, event.workers);
  const now = meter.rates();
  rates.value = now;
  if (now !== null) {
    const names = namesByDigest(event);
    byRun.add(
      at,
      [...names].map(([digest, label]) => ({ key: digest, label, rate: now.byDigest.get(digest) ?? 0 })),
    );
    byWorker.add(
      at,
      event.workers.map(({ id, address }) => ({
        key: id,
        label: address,
        rate: now.byWorker.get(id)?.images ?? 0,
      })),
    );
  }
  fleet.value = event;
}

function onRun(event: RunEvent): void {
  const { name } = event.run;
  waits.add(name, event.ranks);
  runEvents.value = new Map(runEvents.peek()).set(name, event);
  if (goneRuns.peek().has(name)) {
    goneRuns.value = new Set([...goneRuns.peek()].filter((gone) => gone !== name));
  }
}

/** Runs of one digest share their chunks, and so a line. */
function namesByDigest({ runs }: FleetEvent): Map<string, string> {
  const names = new Map<string, string>();
  for (const { digest, name } of runs) {
    const before = names.get(digest);
    names.set(digest, before === undefined ? name : `${before}, ${name}`);
  }
  return names;
}
