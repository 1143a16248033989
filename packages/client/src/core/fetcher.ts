import type { CropstreamError } from '@cropstream/errors';
import type { Nack } from '@cropstream/protocol';
import type { Clock, Timer } from '@cropstream/runtime';
import { BatchBuilder, type Selection } from './assembly.js';
import { backoffMs } from './backoff.js';
import type { Batch } from './batch.js';
import { type Announcement, ChunkFetch, type FetchOutcome } from './fetch.js';
import type { Routes } from './routes.js';
import { keyOf, type PositionRange, type Slot, type StepSlots, toWire } from './slots.js';
import { TensorPool } from './tensor-pool.js';
import type { Transport } from './transport.js';
import type { StepWindow } from './window.js';

/** Chunks fetched at once: enough to keep the wire busy over several workers, few enough that the next step's come first. */
const MAX_FETCHES = 4;
/** How long a worker that failed is left alone with the same chunk. */
const RETRY = { firstMs: 100, maxMs: 1000 };
/** Announcements kept for steps beyond the window, should a coordinator see it wider than we do. */
const MAX_EARLY = 4096;

interface Early {
  readonly range: PositionRange;
  readonly announcement: Announcement;
}

export interface FetcherOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: () => number;
  readonly window: StepWindow;
  readonly selection: Selection;
  readonly routes: Routes;
  /** The trainer's, as in its Attach. */
  readonly process: string;
}

export interface FetcherEvents {
  /** A chunk arrived, or could not be had. */
  settled(): void;
  nack(nack: Nack): void;
  /** No worker will let us in. */
  refused(error: CropstreamError): void;
}

/** The window's chunks: which are announced, fetched, held; fetches those of the earliest steps first. */
export class Fetcher {
  readonly #steps = new Map<number, StepSlots>();
  readonly #slots = new Map<string, Slot>();
  readonly #early = new Map<string, Early>();
  /** Of no more than one window's memory. */
  readonly #pool: TensorPool;
  #fetching = 0;
  #retry: Timer | null = null;

  constructor(
    private readonly options: FetcherOptions,
    private readonly events: FetcherEvents,
  ) {
    this.#pool = new TensorPool(options.window.creditBytes);
  }

  get heldBytes(): number {
    return [...this.#steps.values()].reduce((sum, { builder }) => sum + (builder?.bytes ?? 0), 0);
  }

  /** Sets the window to begin at `next`, cut at `end`: steps outside are dropped, steps inside stay as they are. */
  move(next: number, end: number): void {
    const last = Math.min(next + this.options.window.steps, end);
    for (const step of this.#steps.keys()) if (step < next || step >= last) this.#drop(step);
    for (let step = next; step < last; step++) this.#add(step);
    this.#forgetEarly(next);
    this.#pump();
  }

  announce(range: PositionRange, announcement: Announcement): void {
    const slot = this.#slots.get(keyOf(range));
    if (slot === undefined) {
      if (this.#early.size < MAX_EARLY) this.#early.set(keyOf(range), { range, announcement });
      return;
    }
    if (slot.state === 'held') return;
    const current = slot.fetch?.announcement;
    if (current && isSame(current, announcement)) return;
    slot.next = announcement;
    if (slot.state === 'awaited') slot.state = 'announced';
    this.#pump();
  }

  /** The chunks held, for the coordinator. */
  held() {
    return [...this.#slots.values()]
      .filter(({ state }) => state === 'held')
      .map(({ chunk }) => toWire(chunk));
  }

  slotsOf(step: number): readonly Slot[] {
    return this.#steps.get(step)?.slots ?? [];
  }

  /** Whether every row of the step is there. */
  complete(step: number): boolean {
    return this.#steps.get(step)?.slots.every(({ state }) => state === 'held') ?? false;
  }

  /** Whether every chunk of the step is there, on its way, or known where to be had. */
  underway(step: number): boolean {
    return this.#steps.get(step)?.slots.every(({ state }) => state !== 'awaited') ?? false;
  }

  /** Hands a complete step over. */
  take(step: number): Batch {
    const entry = this.#steps.get(step) as StepSlots;
    this.#forget(entry);
    return this.#builderOf(entry).finish();
  }

  #add(step: number): void {
    if (this.#steps.has(step)) return;
    const { window, clock } = this.options;
    const rows = window.rowsOf(step);
    const slots = window.chunksOf(step).map((chunk): Slot => {
      const early = this.#early.get(keyOf(chunk));
      return {
        chunk,
        row: chunk.first - rows.first,
        state: early ? 'announced' : 'awaited',
        since: clock.now(),
        next: early?.announcement ?? null,
        fetch: null,
        notBefore: 0,
        failures: 0,
        failed: null,
      };
    });
    for (const slot of slots) {
      this.#early.delete(keyOf(slot.chunk));
      this.#slots.set(keyOf(slot.chunk), slot);
    }
    this.#steps.set(step, { step, rows: rows.last - rows.first, slots, builder: null });
  }

  #drop(step: number): void {
    const entry = this.#steps.get(step) as StepSlots;
    for (const slot of entry.slots) {
      if (slot.fetch === null) continue;
      slot.fetch.cancel();
      this.#fetching--;
    }
    this.#forget(entry);
  }

  #forget(entry: StepSlots): void {
    this.#steps.delete(entry.step);
    for (const { chunk } of entry.slots) this.#slots.delete(keyOf(chunk));
  }

  /** Announcements that came for steps beyond the window and are behind it by now. */
  #forgetEarly(next: number): void {
    if (this.#early.size === 0) return;
    const { epoch } = this.options.window.locate(next);
    const { first } = this.options.window.rowsOf(next);
    for (const [key, { range }] of this.#early) {
      if (range.epoch < epoch || (range.epoch === epoch && range.first < first)) this.#early.delete(key);
    }
  }

  #builderOf(entry: StepSlots): BatchBuilder {
    const { window, selection } = this.options;
    const { step: globalStep, rows } = entry;
    entry.builder ??= new BatchBuilder(
      window.run,
      selection,
      { ...window.locate(globalStep), globalStep },
      rows,
      this.#pool,
    );
    return entry.builder;
  }

  /** Starts what can be started, earliest step first. */
  #pump(): void {
    const now = this.options.clock.now();
    let soonest = Number.POSITIVE_INFINITY;
    const inOrder = [...this.#steps.values()].sort((a, b) => a.step - b.step);
    for (const entry of inOrder) {
      for (const slot of entry.slots) {
        if (this.#fetching >= MAX_FETCHES) return;
        if (slot.state !== 'announced') continue;
        const due = startOf(slot);
        if (due > now) soonest = Math.min(soonest, due);
        else this.#start(entry, slot);
      }
    }
    this.#retry?.cancel();
    this.#retry = null;
    if (soonest < Number.POSITIVE_INFINITY) {
      this.#retry = this.options.clock.timer(soonest - now, () => this.#pump());
    }
  }

  #start(entry: StepSlots, slot: Slot): void {
    const { window } = this.options;
    const { chunk, row } = slot;
    const announcement = slot.next as Announcement;
    const id = { runDigest: window.run.digest, ...toWire(chunk) };
    const sink = this.#builderOf(entry).sink(row, chunk.last - chunk.first);
    slot.state = 'fetching';
    slot.next = null;
    this.#fetching++;
    const again = slot.failed?.workerId === announcement.location.workerId;
    slot.fetch = new ChunkFetch(this.options, id, announcement, again, sink, (outcome) => {
      slot.fetch = null;
      this.#fetching--;
      this.#done(slot, announcement, outcome);
    });
  }

  #done(slot: Slot, announcement: Announcement, outcome: FetchOutcome): void {
    if (outcome.held) {
      slot.state = 'held';
      slot.next = null;
    } else {
      const { attempt, location } = announcement;
      const { workerId } = location;
      const wait = backoffMs(slot.failures++, this.options.random, RETRY);
      slot.failed = { workerId, attempt, problem: outcome.problem };
      slot.notBefore = this.options.clock.now() + wait;
      if (outcome.reason === null) slot.next ??= announcement;
      slot.state = slot.next === null ? 'awaited' : 'announced';
      if (outcome.reason !== null) {
        this.events.nack({ chunk: toWire(slot.chunk), attempt, workerId, reason: outcome.reason });
      }
      if (outcome.refused) this.events.refused(outcome.refused);
    }
    this.#pump();
    this.events.settled();
  }
}

/** When an announced chunk may be fetched: at once, unless it failed at the same worker a moment ago. */
function startOf({ next, failed, notBefore }: Slot): number {
  return next?.location.workerId === failed?.workerId ? notBefore : 0;
}

function isSame(a: Announcement, b: Announcement): boolean {
  return a.attempt === b.attempt && a.location.workerId === b.location.workerId;
}
