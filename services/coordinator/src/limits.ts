/** The coordinator's limits and rhythms, in one place; each is configurable and documented in docs/operations.md. */
export interface CoordinatorLimits {
  /** Runs open at once; idle ones are forgotten. */
  readonly maxRuns: number;
  /** Runs being indexed at once. */
  readonly maxOpening: number;
  /** Bytes of one chunk, not above what the workers allow: chunks of runs with large views have fewer samples. */
  readonly maxChunkBytes: number;
  /** Streams of trainers at once. */
  readonly maxAttachments: number;
  /** Chunks that one attachment may want ahead, whatever credits it gives. */
  readonly maxWindowChunks: number;
  /** Messages of one trainer that may wait while one is handled. */
  readonly maxPendingMessages: number;
  /** Runs that have metrics of their own. */
  readonly maxMeteredRuns: number;
  /** An attachment not renewed for so long is gone. */
  readonly leaseMs: number;
  /** The reconcile loop's period; wakes only make it sooner. */
  readonly tickMs: number;
  /** Wakes that come within so long of one another are answered by one look at the windows: 0 for a look each. */
  readonly wakeMs: number;
  /** A claimed job not taken for so long is put into the queue again, under the same id. */
  readonly healMs: number;
  /** A chunk is late that has been made for so many times as long as the run's chunks usually are. */
  readonly hedgeFactor: number;
  /** No chunk is late sooner than after this. */
  readonly hedgeAfterMs: number;
  /** Of 100 chunks of a run, how many may be hedged; one more at any time. */
  readonly hedgePercent: number;
  /** Workers that may die while making one chunk before it is failed. */
  readonly maxDeaths: number;
  /** Fetches of one chunk that may find its living worker unreachable before the attachment is ended. */
  readonly maxUnreachable: number;
  /** Memory for chunks on their way from workers to trainers that cannot reach these: so many streams at once. */
  readonly relayBytes: number;
  /** Calls for relayed chunks that may wait for their turn. */
  readonly maxRelays: number;
  /** A relayed chunk whose turn does not come for so long is refused, and asked for again. */
  readonly relayTurnMs: number;
  /** A worker that sends no frame of a relayed chunk for so long is taken for gone. */
  readonly relaySilentMs: number;
  /** A relayed stream whose trainer takes nothing for so long is ended. */
  readonly relayStalledMs: number;
  /** Requests of one caller to the HTTP API: of a token, or where there are none of an address. */
  readonly requestsPerMinute: number;
  /** Readers of the HTTP API's events at once. */
  readonly eventStreams: number;
  /** A reader of events that lets more than this wait is dropped. */
  readonly eventBufferBytes: number;
  /** Requests for previews, replayed batches and statistics that may wait for their turn. */
  readonly previewQueue: number;
  /** Such a request, its wait included, fails after so long. */
  readonly previewMs: number;
  /** Pixels of all views that one preview shows. */
  readonly previewPixels: number;
  /** A replayed batch's views. */
  readonly batchBytes: number;
  /** Replayed batches whose readers are still taking them. */
  readonly batchDownloads: number;
}

export const DEFAULT_LIMITS: CoordinatorLimits = {
  maxRuns: 1000,
  maxOpening: 8,
  maxChunkBytes: 256 << 20,
  maxAttachments: 4096,
  maxWindowChunks: 4096,
  maxPendingMessages: 256,
  maxMeteredRuns: 200,
  leaseMs: 5000,
  tickMs: 1000,
  wakeMs: 20,
  healMs: 2000,
  hedgeFactor: 3,
  hedgeAfterMs: 500,
  hedgePercent: 5,
  maxDeaths: 5,
  maxUnreachable: 3,
  relayBytes: 256 << 20,
  maxRelays: 4096,
  relayTurnMs: 5000,
  relaySilentMs: 1000,
  relayStalledMs: 10_000,
  requestsPerMinute: 3000,
  eventStreams: 64,
  eventBufferBytes: 4 << 20,
  previewQueue: 16,
  previewMs: 30_000,
  previewPixels: 64 << 20,
  batchBytes: 128 << 20,
  batchDownloads: 2,
};
