import {
  type LimitTable,
  limitsOf,
  limitVariables,
  loadConfig,
  serviceVariables,
  transportLimits,
} from '@cropstream/runtime';
import { z } from 'zod';
import { type CoordinatorLimits, DEFAULT_LIMITS } from './limits.js';

/** The variable of each limit. */
export const LIMITS: LimitTable<CoordinatorLimits> = {
  maxRuns: ['CROPSTREAM_MAX_RUNS', 'Runs open at once; idle ones are forgotten after a day'],
  maxOpening: ['CROPSTREAM_MAX_OPENING', 'Runs being indexed at once'],
  maxChunkBytes: ['CROPSTREAM_MAX_CHUNK_BYTES', 'The largest chunk: the same on coordinators and workers'],
  maxAttachments: ['CROPSTREAM_MAX_ATTACHMENTS', "Trainers' streams at once"],
  maxWindowChunks: [
    'CROPSTREAM_MAX_WINDOW_CHUNKS',
    'Chunks that one trainer may want ahead, whatever credits it gives',
  ],
  maxPendingMessages: [
    'CROPSTREAM_MAX_PENDING_MESSAGES',
    'Messages of one trainer that may wait while one is handled',
  ],
  maxMeteredRuns: [
    'CROPSTREAM_METERED_RUNS',
    'Runs with metrics of their own; those beyond share one run, `(others)`',
  ],
  leaseMs: ['CROPSTREAM_ATTACHMENT_LEASE', 'An attachment that no coordinator renews for so long is gone'],
  tickMs: [
    'CROPSTREAM_TICK',
    'How often wanted and existing chunks are compared, if nothing wakes the coordinator',
  ],
  wakeMs: [
    'CROPSTREAM_WAKE',
    'Wakes that come within so long of one another are answered by one look at the windows',
  ],
  healMs: ['CROPSTREAM_HEAL', 'A job that nobody took for so long is put into the queue again'],
  hedgeFactor: [
    'CROPSTREAM_HEDGE_FACTOR',
    "A chunk is late, and made a second time elsewhere, after so many times its run's usual time",
  ],
  hedgeAfterMs: ['CROPSTREAM_HEDGE_AFTER', 'No chunk is late sooner than after this; a day: never'],
  hedgePercent: ['CROPSTREAM_HEDGE_PERCENT', 'Of 100 chunks of a run, how many may be made twice so'],
  maxDeaths: ['CROPSTREAM_MAX_DEATHS', 'Workers that may die while making one chunk before it is failed'],
  maxUnreachable: [
    'CROPSTREAM_MAX_UNREACHABLE',
    'Fetches of one chunk that may find its living worker unreachable before the trainer is told',
  ],
  relayBytes: [
    'CROPSTREAM_RELAY_BYTES',
    'Memory for chunks that are relayed: a stream at once for each 7 MiB',
  ],
  maxRelays: ['CROPSTREAM_MAX_RELAYS', 'Calls for relayed chunks that may wait for their turn'],
  relayTurnMs: [
    'CROPSTREAM_RELAY_TURN',
    'A relayed chunk whose turn does not come for so long is refused; the client asks again',
  ],
  relaySilentMs: [
    'CROPSTREAM_RELAY_SILENT',
    'A worker that sends nothing of a relayed chunk for so long is taken for gone',
  ],
  relayStalledMs: [
    'CROPSTREAM_RELAY_STALLED',
    'A relayed stream whose trainer takes nothing for so long is ended',
  ],
  requestsPerMinute: [
    'CROPSTREAM_API_REQUESTS',
    'Requests a minute to the HTTP API: of one token, or where there are none of one address',
  ],
  eventStreams: ['CROPSTREAM_API_EVENT_STREAMS', 'Readers of the events of the HTTP API at once'],
  eventBufferBytes: [
    'CROPSTREAM_API_EVENT_BYTES',
    'A reader of events that lets more than this wait is dropped',
  ],
  previewQueue: [
    'CROPSTREAM_API_PREVIEWS',
    'Requests for previews, replayed batches and statistics that may wait for their turn',
  ],
  previewMs: ['CROPSTREAM_API_PREVIEW', 'Such a request, its wait included, fails after so long'],
  previewPixels: ['CROPSTREAM_API_PREVIEW_PIXELS', 'Pixels of all views that one preview shows'],
  batchBytes: ['CROPSTREAM_API_BATCH_BYTES', "A replayed batch's views"],
  batchDownloads: ['CROPSTREAM_API_BATCHES', 'Replayed batches whose readers are still taking them'],
};

/** The coordinator's environment. */
export const COORDINATOR_VARIABLES = z.object({
  ...serviceVariables({ grpc: 7400, http: 7401 }),
  ...limitVariables(DEFAULT_LIMITS, LIMITS),
});

/**
 * The coordinator's limits alone, for a process that is set up otherwise.
 * @throws CONFIG_INVALID
 */
export function coordinatorLimits(
  env: Readonly<Record<string, string | undefined>>,
): Partial<CoordinatorLimits> {
  return limitsOf(loadConfig(z.object(limitVariables(DEFAULT_LIMITS, LIMITS)), env), LIMITS);
}

/** @throws CONFIG_INVALID */
export function coordinatorConfig(env: Readonly<Record<string, string | undefined>>) {
  const config = loadConfig(COORDINATOR_VARIABLES, env);
  return { ...config, limits: limitsOf(config, LIMITS), ...transportLimits(config) };
}
