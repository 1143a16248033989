import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTransforms } from '@cropstream/augment';
import { MemoryBroker, MemoryStore } from '@cropstream/broker';
import { type Attach, type ChunkReady, PROTOCOL_VERSION } from '@cropstream/protocol';
import { EVERYBODY, NO_LIMITS, type OwnerLimits, type Principal } from '@cropstream/runtime';
import { VirtualClock } from '@cropstream/runtime/testing';
import { afterEach, beforeEach } from 'vitest';
import { Coordinator, type CoordinatorObserver } from '../src/coordinator.js';
import { DEFAULT_LIMITS } from '../src/limits.js';
import type { OpenRun } from '../src/open-run.js';
import { RunCatalog, type RunCatalogOptions } from '../src/runs.js';
import { FINGERPRINT, progressOf, SAMPLES, silent, Trainer, Worker } from './parts.js';

/** A coordinator on memory adapters and a virtual clock, over a folder of files that nobody decodes. */
export class Fixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'cropstream-coordinator-'));
  readonly clock = new VirtualClock();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly broker = new MemoryBroker({ clock: this.clock });
  catalog: RunCatalog;
  coordinator: Coordinator;
  observer: CoordinatorObserver = silent;
  /** What owners may have, where it is not as much as they like. */
  readonly quotas = new Map<string, Partial<OwnerLimits>>();

  constructor(private readonly transforms: Awaited<ReturnType<typeof loadTransforms>>) {
    for (let i = 0; i < SAMPLES; i++) writeFileSync(join(this.folder, `${i}.jpg`), 'x');
    this.catalog = this.newCatalog();
    this.coordinator = this.newCoordinator('c1');
  }

  limitsOf(owner: string): OwnerLimits {
    return { ...NO_LIMITS, ...this.quotas.get(owner) };
  }

  /** A catalog that remembers nothing, as of a coordinator that has just started. */
  newCatalog(more: Partial<RunCatalogOptions> = {}): RunCatalog {
    return new RunCatalog({
      store: this.store,
      transforms: this.transforms,
      fingerprint: async () => FINGERPRINT,
      limits: { ...DEFAULT_LIMITS, maxRuns: 5 },
      ownerLimits: (owner) => this.limitsOf(owner),
      wall: () => this.clock.wall(),
      ...more,
    });
  }

  newCoordinator(id: string): Coordinator {
    const { catalog, store, broker, clock, observer } = this;
    // Each wake a look of its own, so that nothing need wait in virtual time.
    const limits = { ...DEFAULT_LIMITS, wakeMs: 0 };
    const ownerLimits = (owner: string) => this.limitsOf(owner);
    return new Coordinator({ id, catalog, store, broker, clock, limits, ownerLimits, observer });
  }

  specOf(name: string, more: object = {}) {
    return {
      name,
      dataset: { source: 'image-folder', url: this.folder },
      seed: 1,
      global_batch_size: 8,
      chunk_size: 4,
      views: { view: { size: 8 } },
      ...more,
    };
  }

  async open(name: string, more: object = {}, owner = EVERYBODY.owner): Promise<OpenRun> {
    return (await this.catalog.open(owner, this.specOf(name, more))).run;
  }

  /** What an outage or a day without trainers does to a run: nobody closed it. */
  async lose(name: string): Promise<void> {
    await this.store.closeRun(EVERYBODY.owner, name);
    this.store.wasClosed = async () => false;
  }

  worker(id: string): Worker {
    return new Worker(id, this.store, this.broker, this.clock);
  }

  /** A trainer that attaches with room for `credits` chunks; what came at once has come. */
  async attach(
    run: OpenRun,
    more: Partial<Attach> = {},
    credits = 4,
    nextStep = 0,
    principal: Principal = EVERYBODY,
  ): Promise<Trainer> {
    const trainer = new Trainer();
    trainer.connection = this.coordinator.connect(trainer, principal);
    const value: Attach = {
      protocolVersion: PROTOCOL_VERSION,
      run: run.name,
      runDigest: run.digest,
      consumer: 'job',
      rank: 0,
      worldSize: 1,
      takeover: false,
      allowUneven: false,
      process: `process-${this.#processes++}`,
      host: 'here',
      pid: 7,
      endStep: undefined,
      progress: progressOf(nextStep, credits),
      ...more,
    };
    trainer.connection.receive({ message: { $case: 'attach', value } });
    await this.clock.advance(0);
    return trainer;
  }

  #processes = 0;

  async end(): Promise<void> {
    await this.coordinator.stop();
    rmSync(this.folder, { recursive: true });
  }
}

/** A fresh fixture for each test of the file. */
export function useFixture(): { readonly current: Fixture } {
  const holder: { current: Fixture } = { current: undefined as never };
  beforeEach(async () => {
    holder.current = new Fixture(await loadTransforms([]));
  });
  afterEach(() => holder.current.end());
  return holder;
}

export const spans = (ready: readonly ChunkReady[]) =>
  ready.map(({ chunk }) => `${chunk?.epoch}:${chunk?.first}-${chunk?.last}`);
