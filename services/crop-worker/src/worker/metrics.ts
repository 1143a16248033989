import { MADE_RUNS, type MadeOfRun } from '@cropstream/broker';
import type { StorageCounts } from '@cropstream/datasets';
import { LimitMetrics, Series, VERSION } from '@cropstream/runtime';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { LIMITS } from '../config.js';
import type { Emit, Limits, WorkerEvent } from './events.js';

/** Seconds to make a chunk: from tiny images to 64 large ones on a busy machine. */
const CHUNK_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type State = Extract<WorkerEvent, { kind: 'state' }>;
type Counts = { readonly [K in keyof MadeOfRun]: number };

interface Cell {
  limits: Partial<Limits>;
  state: Omit<State, 'kind'>;
}

/**
 * The metrics of a process's workers, `cropstream_worker_...`, summed over its cells. Returns what the worker of each
 * cell is to emit to.
 */
export function workerMetrics(
  registry: Registry,
  fingerprint: () => Promise<string>,
): (cell: number) => Emit {
  const registers = [registry];
  const named = (name: string) => `cropstream_worker_${name}`;
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: named(name), help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name: named(name), help, labelNames, registers });

  const chunks = counter('chunks_made_total', 'Chunks made.');
  const samples = counter('samples_made_total', 'Samples made.');
  const bytes = counter('made_bytes_total', 'Payload bytes of the chunks made.');
  const busy = counter(
    'busy_seconds_total',
    'Time in which a cell was making a chunk or several, over all cells.',
  );
  const stages = counter('stage_seconds_total', 'Compute time over all threads, by stage.', ['stage']);
  const chunkSeconds = new Histogram({
    name: named('chunk_seconds'),
    help: 'From the start of reading a chunk to its checksum.',
    buckets: CHUNK_SECONDS,
    registers,
  });
  const substitutions = counter(
    'substitutions_total',
    'Bad samples that another stood in for, by error code.',
    ['code'],
  );
  const failures = counter('chunk_failures_total', 'Attempts at a chunk that failed, by error code.', [
    'code',
  ]);
  const skipped = counter('jobs_skipped_total', 'Jobs that ended without work, by reason.', ['reason']);
  const dropped = counter('chunks_dropped_total', 'Chunks dropped from the outbox, by reason.', ['reason']);
  const fetches = counter('fetches_total', 'Ended FetchChunk streams, by outcome.', ['outcome']);
  const fetched = counter('fetch_bytes_total', 'Payload bytes sent to trainers.');
  const outboxChunks = gauge('outbox_chunks', 'Chunks held.');
  const outboxFree = gauge(
    'outbox_free_bytes',
    'Buffers kept for the next chunks; with those in use never more than the outbox may take.',
  );
  const cut = counter('connections_cut_total', 'Connections that were cut because they were over a limit.');

  const run = new Series({ registry, labels: ['owner', 'run'], max: MADE_RUNS });
  const ofRun = {
    samples: run.counter(named('run_samples_total'), 'Samples made of a run.'),
    busySeconds: run.counter(named('run_busy_seconds_total'), "A run's part of busy_seconds_total."),
    substituted: run.counter(
      named('run_substitutions_total'),
      'Bad samples of a run that another stood in for.',
    ),
    failures: run.counter(named('run_failures_total'), 'Attempts at chunks of a run that failed.'),
  } satisfies Record<keyof MadeOfRun, Counter>;

  const storage = {
    requests: counter('storage_requests_total', 'Requests to object stores and web servers, all attempts.'),
    retries: counter('storage_retries_total', 'Requests to them that failed and were made again.'),
    readBytes: counter('storage_read_bytes_total', 'Bytes of samples read from where they lie.'),
    cacheHits: counter('cache_hits_total', 'Reads of remote data that the disk cache answered.'),
    cacheHitBytes: counter('cache_hit_bytes_total', 'Bytes that the disk cache answered with.'),
    cacheMisses: counter('cache_misses_total', 'Reads of remote data that the disk cache did not have.'),
    cacheWrittenBytes: counter('cache_written_bytes_total', 'Bytes put into the disk cache.'),
    cacheEvictions: counter('cache_evictions_total', 'Files removed from the disk cache for room.'),
    cacheDamaged: counter('cache_damaged_total', 'Files of the disk cache that failed their check.'),
  } satisfies Record<keyof StorageCounts, Counter>;

  new Gauge({
    name: named('info'),
    help: 'The worker, by its version and pixel fingerprint.',
    labelNames: ['version', 'fingerprint'],
    registers,
    async collect() {
      this.set({ version: VERSION, fingerprint: await fingerprint() }, 1);
    },
  });
  const limit = new LimitMetrics(registry, 'worker', LIMITS);
  const cells = new Map<number, Cell>();

  function tellState(cell: Cell, event: State): void {
    const before = cell.state;
    cell.state = event;
    const open = [...cells.values()].flatMap(({ state }) => Object.values(state.runs));
    run.retain(open);
    busy.inc(since(before.busySeconds, event.busySeconds));
    for (const [digest, { owner, run: name, ...counts }] of Object.entries(event.runs)) {
      const labels = run.of({ owner, run: name });
      const known: Counts | undefined = before.runs[digest];
      for (const what of Object.keys(counts) as (keyof Counts)[]) {
        ofRun[what].inc(labels, since(known?.[what] ?? 0, counts[what]));
      }
    }
    outboxChunks.set(sumOf(cells, ({ state }) => state.chunks));
    outboxFree.set(sumOf(cells, ({ state }) => state.freeBytes ?? 0));
    tellLimits(cell);
  }

  /** What cells share out among them is summed, limits and use. */
  function tellLimits({ limits, state }: Cell): void {
    const used: Partial<Limits> = {};
    const total: Partial<Limits> = { ...limits };
    for (const name of Object.keys(state.used) as (keyof Limits)[]) {
      Object.assign(used, { [name]: sumOf(cells, (cell) => cell.state.used[name] ?? 0) });
      Object.assign(total, { [name]: sumOf(cells, (cell) => cell.limits[name] ?? 0) });
    }
    limit.set(total);
    limit.use(used);
  }

  return (index) => {
    const cell: Cell = { limits: {}, state: { used: {}, chunks: 0, busySeconds: 0, runs: {} } };
    cells.set(index, cell);
    return (event) => {
      switch (event.kind) {
        case 'made':
          chunks.inc();
          samples.inc(event.samples);
          bytes.inc(event.bytes);
          chunkSeconds.observe(event.seconds);
          for (const [stage, ms] of Object.entries(event.stages)) stages.inc({ stage }, ms / 1000);
          for (const code of event.substituted) substitutions.inc({ code });
          break;
        case 'failed':
          failures.inc({ code: event.code });
          break;
        case 'skipped':
          skipped.inc({ reason: event.reason.replace('-', '_') });
          break;
        case 'dropped':
          dropped.inc({ reason: event.reason });
          break;
        case 'fetched':
          fetches.inc({ outcome: event.outcome.replace('-', '_') });
          fetched.inc(event.bytes);
          break;
        case 'limits':
          cell.limits = event.limits;
          break;
        case 'state':
          tellState(cell, event);
          break;
        case 'cut':
          cut.inc(event.connections);
          break;
        case 'storage':
          for (const name of Object.keys(storage) as (keyof StorageCounts)[]) {
            storage[name].inc(event.since[name]);
          }
          break;
      }
    };
  };
}

/** How much a counter grew; one of a cell that was started again began anew. */
function since(before: number, now: number): number {
  return now >= before ? now - before : now;
}

function sumOf(cells: ReadonlyMap<number, Cell>, of: (cell: Cell) => number): number {
  let sum = 0;
  for (const cell of cells.values()) sum += of(cell);
  return sum;
}
