import { MessageChannel, type Worker } from 'node:worker_threads';
import type { Broker, Store } from '@cropstream/broker';
import { exposeBroker, exposeStore } from '@cropstream/broker';
import { DEFAULT_CHUNK_LIMITS, type DecodeElsewhere, sharpHere } from '@cropstream/chunks';
import { CropstreamError, failure, type WireError } from '@cropstream/errors';
import {
  type Clock,
  defaultThreads,
  readResources,
  systemClock,
  systemRandomness,
  type Timer,
} from '@cropstream/runtime';
import { openPeer } from '@cropstream/runtime/threads';
import { DEFAULT_WORKER_LIMITS } from '../worker/config.js';
import type { Emit, Log } from '../worker/events.js';
import {
  type CellAddress,
  type CellCalls,
  type CellData,
  type CellOptions,
  type MainCalls,
  movable,
} from './cell-calls.js';
import { warmThread } from './warm.js';

/** One event loop sends about 800 MB/s, what this many threads make of DINO's crops several times over. */
const THREADS_PER_CELL = 8;

/** A cell that died is started again after so long: not at once, so that what kills it cannot spin. */
const RESTART_MS = 1_000;

/** More than this holds nothing that a trainer's credits would ask for. */
const MOST_OUTBOX_BYTES = 4 * 1024 ** 3;

/** What a closing cell gets beyond its grace before its thread is ended. */
const CLOSE_MS = 2_000;

export interface CellsOptions extends Omit<CellOptions, 'port' | 'threads' | 'process'> {
  /** The pixel fingerprint of this build: cells start while it is made. */
  readonly fingerprint: () => Promise<string>;
  readonly store: Store;
  readonly broker: Broker;
  readonly log: Log;
  /** What cell `cell` emits to: `workerMetrics(registry, fingerprint)`. */
  readonly emit: (cell: number) => Emit;
  /** The first cell's port, the next has the next; 0: any free ports. */
  readonly port: number;
  /** Compute threads over all cells. @default as many as the cgroup's CPU quota keeps busy */
  readonly threads?: number;
  /** @default one for each 8 threads, begun ones included */
  readonly cells?: number;
  /** `warmThread(0)`, for the first cell. @default its thread is started with it */
  readonly warm?: Worker;
  /** Of this thread; cells have the system's. @default the system's */
  readonly clock?: Clock;
}

export interface Cells {
  /** Where each cell's worker is reached; a cell that was started again has another id. */
  addresses(): readonly CellAddress[];
  /** Whether every cell takes jobs: admitted to the fleet, heard, and not about to stop. */
  ready(): Promise<boolean>;
  /** Every cell takes no more jobs; resolves when what is wanted was fetched, or after `graceMs`. */
  drain(graceMs: number): Promise<void>;
  /** Ends every cell; nothing of them is left running. */
  close(graceMs: number): Promise<void>;
}

interface Running {
  readonly index: number;
  readonly thread: Worker;
  readonly calls: Pick<CellCalls, 'ready' | 'drain' | 'close'>;
  readonly address: CellAddress;
  readonly ended: Promise<void>;
}

/**
 * Workers in one process, a thread with an event loop each, so that no loop's sending bounds the whole. The
 * caller's loop decodes by sharp for them and carries store and broker; it computes no pixels.
 */
export async function startCells(options: CellsOptions): Promise<Cells> {
  const { log, clock = systemClock, threads = defaultThreads() } = options;
  const count = Math.min(threads, options.cells ?? Math.ceil(threads / THREADS_PER_CELL));
  let { warm } = options;
  const decode = sharpHere();
  const process = systemRandomness.id();
  const running = new Map<number, Running>();
  const restarts = new Set<Timer>();
  let closing = false;

  async function start(index: number): Promise<void> {
    const thread = warm ?? warmThread(index);
    warm = undefined;
    const cell = await startCell(
      index,
      thread,
      { ...optionsOf(options, threads, index, count), process },
      options,
      decode,
    );
    if (closing) return endCell(cell, clock, 0);
    running.set(index, cell);
    void cell.ended.then(() => {
      if (closing) return;
      log.error({ cell: index }, 'a cell died; starting it again');
      restart(index);
    });
  }

  function restart(index: number): void {
    running.delete(index);
    const timer = clock.timer(RESTART_MS, () => {
      restarts.delete(timer);
      start(index).catch((err) => {
        log.error({ err, cell: index }, 'a cell could not be started again');
        if (!closing) restart(index);
      });
    });
    restarts.add(timer);
  }

  async function close(graceMs: number): Promise<void> {
    closing = true;
    for (const timer of restarts) timer.cancel();
    await Promise.all([...running.values()].map((cell) => endCell(cell, clock, graceMs)));
  }

  const started = await Promise.allSettled(Array.from({ length: count }, (_, index) => start(index)));
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await close(0);
    throw failed.reason;
  }
  return {
    addresses: () => [...running.values()].map(({ address }) => address),
    async ready() {
      const cells = [...running.values()];
      const ready = await Promise.all(cells.map(({ calls }) => calls.ready().catch(() => false)));
      return cells.length === count && ready.every(Boolean);
    },
    async drain(graceMs) {
      await Promise.all([...running.values()].map(({ calls }) => calls.drain(graceMs)));
    },
    close,
  };
}

/** A cell's part of the threads, memory and ports. */
function optionsOf(options: CellsOptions, threads: number, index: number, count: number): CellOptions {
  const { host, advertise, security, transforms, sources, decoder, port, portFlag } = options;
  const { dataLimits, dataCache } = options;
  const chunkLimits = { ...DEFAULT_CHUNK_LIMITS, ...options.chunkLimits };
  const outboxBytes = defaultOutboxBytes(readResources().memoryBytes, count * chunkLimits.maxChunkBytes);
  const limits = { ...DEFAULT_WORKER_LIMITS, outboxBytes, ...options.limits };
  const part = (bytes: number) => Math.floor(bytes / count);
  return {
    host,
    security,
    ...(advertise !== undefined && { advertise }),
    ...(transforms !== undefined && { transforms }),
    ...(sources !== undefined && { sources }),
    ...(decoder !== undefined && { decoder }),
    ...(dataLimits !== undefined && { dataLimits }),
    ...(options.grpc !== undefined && { grpc: options.grpc }),
    ...(dataCache !== undefined && { dataCache }),
    port: port === 0 ? 0 : port + index,
    ...(portFlag !== undefined && { portFlag }),
    threads: Math.floor(threads / count) + (index < threads % count ? 1 : 0),
    limits: { ...limits, outboxBytes: part(limits.outboxBytes) },
    chunkLimits,
  };
}

/** A quarter of the memory, 4 GiB at most, and never less than two of the largest chunks a cell. */
function defaultOutboxBytes(memoryBytes: number, chunkBytes: number): number {
  return Math.max(2 * chunkBytes, Math.min(MOST_OUTBOX_BYTES, memoryBytes / 4));
}

async function startCell(
  index: number,
  thread: Worker,
  cellOptions: CellOptions,
  { store, broker, log, emit, fingerprint }: CellsOptions,
  decode: DecodeElsewhere,
): Promise<Running> {
  const channels = {
    store: new MessageChannel(),
    broker: new MessageChannel(),
    control: new MessageChannel(),
  };
  exposeStore(channels.store.port1, store);
  exposeBroker(channels.broker.port1, broker);
  const emitHere = emit(index);
  const main: MainCalls = {
    fingerprint,
    decode,
    emit: emitHere,
    log: (level, fields, message) => log[level]({ cell: index, ...withError(fields) }, message),
  };
  const calls = openPeer<CellCalls>(channels.control.port1, main, { movable }).calls([
    'start',
    'ready',
    'drain',
    'close',
  ]);
  const data: CellData = {
    store: channels.store.port2,
    broker: channels.broker.port2,
    control: channels.control.port2,
    options: cellOptions,
  };
  thread.postMessage(data, [data.store, data.broker, data.control]);
  let cause: unknown = null;
  thread.on('error', (error) => {
    cause = error;
    log.error({ err: error, cell: index }, 'a cell failed');
  });
  const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  try {
    const died = ended.then(() => {
      throw cause ?? failure('INTERNAL', { reason: `cell ${index} ended before it had started` });
    });
    const address = await Promise.race([calls.start(), died]);
    died.catch(() => {});
    return { index, thread, calls, address, ended };
  } catch (error) {
    await thread.terminate();
    throw error instanceof CropstreamError ? error : (cause ?? error);
  }
}

/** Asks a cell to close, and ends its thread if it does not. */
async function endCell({ calls, thread, ended }: Running, clock: Clock, graceMs: number): Promise<void> {
  const late = clock.timer(graceMs + CLOSE_MS, () => void thread.terminate());
  // A cell that died meanwhile has closed.
  await calls.close(graceMs).catch(() => {});
  await ended;
  late.cancel();
}

/** The fields with `err` an error again. */
function withError(fields: object): object {
  if (!('err' in fields)) return fields;
  const { stack, ...wire } = fields.err as WireError & { stack: string };
  return { ...fields, err: Object.assign(CropstreamError.fromWire(wire), { stack }) };
}
