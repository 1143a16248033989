import { join } from 'node:path';
import { type ChunkLimits, DEFAULT_CHUNK_LIMITS } from '@cropstream/chunks';
import {
  bytesVariable,
  choiceVariable,
  defaultCacheFolder,
  defaultThreads,
  GRPC_LIMITS,
  integerVariable,
  type LimitTable,
  limitsOf,
  limitVariables,
  loadConfig,
  serviceVariables,
  textVariable,
  transportLimits,
} from '@cropstream/runtime';
import { z } from 'zod';
import { DEFAULT_WORKER_LIMITS, type WorkerLimits } from './worker/config.js';
import { type DataAccessOptions, type DataLimits, DEFAULT_DATA_LIMITS } from './worker/data-access.js';
import type { Limits } from './worker/events.js';

type Fixed = Omit<WorkerLimits, 'outboxBytes'>;

const WORKER_LIMITS: LimitTable<Fixed> = {
  jobs: ['CROPSTREAM_JOBS', 'Chunks that a cell makes at once'],
  runs: ['CROPSTREAM_RUNS', 'Runs that a cell keeps open'],
  maxAttempts: [
    'CROPSTREAM_MAX_ATTEMPTS',
    'Failures of a chunk, by any worker, before it is failed for good',
  ],
  beatMs: ['CROPSTREAM_BEAT', 'How often a worker says that it lives'],
  leaseMs: ['CROPSTREAM_BEAT_LEASE', 'A worker not heard for so long is gone'],
  takeMs: ['CROPSTREAM_TAKE', 'The longest wait for a job before the queue is asked again'],
  unwantedMs: ['CROPSTREAM_UNWANTED', 'A chunk that nobody wants for so long is dropped'],
  unfetchedMs: [
    'CROPSTREAM_UNFETCHED',
    'A wanted chunk that nobody fetches for so long is dropped where others need the room',
  ],
  publishMs: ['CROPSTREAM_PUBLISH', 'A chunk whose record cannot be written for so long is dropped'],
  maxStreams: ['CROPSTREAM_MAX_STREAMS', 'Streams that a cell sends at once'],
  stalledMs: ['CROPSTREAM_STREAM_STALLED', 'A stream whose reader takes nothing for so long is ended'],
  streamMs: ['CROPSTREAM_STREAM', 'The longest stream'],
};

const CHUNK_LIMITS: LimitTable<ChunkLimits> = {
  maxChunkBytes: ['CROPSTREAM_MAX_CHUNK_BYTES', 'The largest chunk: the same on coordinators and workers'],
  fieldBytes: ['CROPSTREAM_FIELD_BYTES', 'Bytes a sample that are set aside for its fields'],
  readAheadBytes: [
    'CROPSTREAM_READ_AHEAD_BYTES',
    'Encoded bytes of samples that a cell has read and not yet made',
  ],
  readAheadSamples: ['CROPSTREAM_READ_AHEAD_SAMPLES', 'Samples that a cell has read and not yet made'],
  decodedBytes: ['CROPSTREAM_DECODED_BYTES', 'Pixels on their way from sharp to a compute thread'],
  keepBytes: ['CROPSTREAM_KEEP_BYTES', 'WebAssembly memory that a compute thread keeps between images'],
};

const DATA_LIMITS: LimitTable<DataLimits> = {
  retryMs: [
    'CROPSTREAM_STORAGE_RETRY',
    'How long a request to an object store or web server is tried again before the attempt at its chunk fails',
  ],
  maxRequests: [
    'CROPSTREAM_STORAGE_REQUESTS',
    'Requests that a cell makes at once to the object store or web server of one run',
  ],
  silenceMs: [
    'CROPSTREAM_STORAGE_SILENCE',
    'A request to one during which nothing comes for so long is ended and tried again',
  ],
  cacheBytes: [
    'CROPSTREAM_DATA_CACHE_BYTES',
    'What is kept there of data read from object stores and web servers; 0: nothing. The same for all workers that share it',
  ],
  shardMemoryBytes: [
    'CROPSTREAM_SHARD_MEMORY',
    'What a cell keeps in memory of the shards of all its runs: indexes and small columns a third, decompressed chunks and decoded pages two thirds',
  ],
};

/** Of reading data: also for a worker inside another process. */
const DATA_VARIABLES = {
  CROPSTREAM_CACHE: textVariable('a folder that can be written')
    .optional()
    .describe(
      'Where manifests and remote data are kept between starts. Unset: `cropstream` in $XDG_CACHE_HOME or ~/.cache',
    ),
  ...limitVariables(DEFAULT_DATA_LIMITS, DATA_LIMITS),
};

const OUTBOX = [
  'CROPSTREAM_OUTBOX_BYTES',
  'Memory for finished chunks. Unset: a quarter of the memory, 4 GiB at most',
] as const;

/** The variable of each limit. */
export const LIMITS: LimitTable<Limits> = {
  ...WORKER_LIMITS,
  ...CHUNK_LIMITS,
  ...DATA_LIMITS,
  ...GRPC_LIMITS,
  outboxBytes: OUTBOX,
};

/** The crop-worker's environment. */
export const WORKER_VARIABLES = z.object({
  ...serviceVariables({ grpc: 7410, http: 7402 }),
  CROPSTREAM_ADVERTISE: textVariable('a host name or an IP address, without a port')
    .optional()
    .describe('By what coordinators and trainers reach this machine. Unset: see below'),
  CROPSTREAM_THREADS: integerVariable(1, 1024)
    .optional()
    .describe("Compute threads. Unset: as many as the cgroup's CPU quota keeps busy"),
  CROPSTREAM_CELLS: integerVariable(1, 256)
    .optional()
    .describe(
      'Event loops that send chunks, each on a port of its own from CROPSTREAM_PORT on. Unset: one for each 8 threads',
    ),
  CROPSTREAM_OUTBOX_BYTES: bytesVariable().optional().describe(OUTBOX[1]),
  CROPSTREAM_DECODER: choiceVariable(['auto', 'turbojpeg', 'sharp'])
    .default('auto')
    .describe('JPEG decoder; the bytes are the same'),
  ...DATA_VARIABLES,
  CROPSTREAM_CACHE_BYTES: bytesVariable()
    .prefault('2GiB')
    .describe('What is kept there of manifests at most'),
  ...limitVariables(DEFAULT_WORKER_LIMITS, WORKER_LIMITS),
  ...limitVariables(DEFAULT_CHUNK_LIMITS, CHUNK_LIMITS),
});

/** @throws CONFIG_INVALID */
export function workerConfig(env: Environment) {
  const { CROPSTREAM_OUTBOX_BYTES: outboxBytes, ...config } = loadConfig(WORKER_VARIABLES, env);
  return {
    ...config,
    threads: config.CROPSTREAM_THREADS ?? defaultThreads(),
    limits: { ...limitsOf(config, WORKER_LIMITS), ...(outboxBytes !== undefined && { outboxBytes }) },
    chunkLimits: limitsOf(config, CHUNK_LIMITS),
    ...transportLimits(config),
    ...dataOptions(config, env),
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the environment says of reading data.
 *
 * @throws CONFIG_INVALID
 */
export function dataConfig(env: Environment): Required<DataAccessOptions> {
  return dataOptions(loadConfig(z.object(DATA_VARIABLES), env), env);
}

function dataOptions(config: { readonly CROPSTREAM_CACHE?: string | undefined }, env: Environment) {
  const folder = config.CROPSTREAM_CACHE ?? defaultCacheFolder(env);
  return { dataLimits: limitsOf<DataLimits>(config, DATA_LIMITS), dataCache: join(folder, 'data') };
}
