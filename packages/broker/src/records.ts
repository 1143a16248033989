/** The records that coordinators and workers share. Plain data: each crosses threads and Redis as it is. */

/**
 * `<owner>.<run digest>`, what chunks, attachments and jobs are kept under. The names of a digest that one owner has open
 * share them; owners share none, for equal digests do not say that both may read the dataset (docs/decisions/0301).
 */
export type RunKey = string;

/** One chunk to make: consecutive positions of an epoch's order and the sample ids at them. */
export interface ChunkJob {
  /** `<run key>-<epoch>-<first>-<last>-<attempt>`: no colon, as BullMQ wants it. */
  readonly id: string;
  readonly runKey: RunKey;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly attempt: number;
  /** Draws (see the schedule package) at positions first … last-1. */
  readonly indices: readonly number[];
  /** Ahead of the queue: a chunk whose maker died is already late. */
  readonly urgent: boolean;
  /** Where the dataset lies now: it may move while the run lives, and no byte depends on it. */
  readonly url: string;
  /** In [0, AFFINITIES): jobs of one number read the same part of a dataset. A hint; absent where it says nothing. */
  readonly affinity?: number;
  /** W3C trace context of whoever wants it; absent: it is not traced. */
  readonly traceparent?: string;
}

/** How many parts of datasets are told apart for workers to prefer. */
export const AFFINITIES = 256;

/** A chunk within a run: `<epoch>-<first>-<last>`. */
export type ChunkName = string;

/** paused: no chunk of it is claimed; what was claimed before is made and delivered. */
export type RunState = 'active' | 'paused';

export interface RunRecord {
  /** Whose it is: a-z, 0-9, - and _. Names are of their owner, so that two may use one. */
  readonly owner: string;
  readonly name: string;
  readonly digest: string;
  /** The resolved spec, canonical JSON. */
  readonly specJson: string;
  readonly manifestDigest: string;
  /** Positions a chunk has at most: one for all of an owner's names of a digest, since they share its chunks. */
  readonly chunkSize: number;
  /** Where the run's jobs are queued: one queue a pixel fingerprint, so that a fleet is upgraded while it works. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  readonly state: RunState;
}

/** One trainer process's stream; leased, so that a dead trainer's wants vanish by themselves. */
export interface AttachmentRecord {
  readonly runKey: RunKey;
  readonly runName: string;
  readonly consumer: string;
  readonly rank: number;
  readonly worldSize: number;
  /** Fresh for each trainer process: its own reconnect is no second attachment. */
  readonly process: string;
  readonly host: string;
  readonly pid: number;
  /** Which coordinator holds the stream. */
  readonly coordinator: string;
  /** Global steps [nextStep, windowEnd) are wanted. */
  readonly nextStep: number;
  readonly windowEnd: number;
  /** Chunks that it has memory for from `nextStep` on, those it holds included. */
  readonly credits: number;
  /** How long its process waited for data, of the time since it attached first; seconds by the trainer's clock. */
  readonly waitedSeconds: number;
  readonly elapsedSeconds: number;
  /** Samples a second that it would take if it never waited for data; null until that is known. */
  readonly demand: number | null;
  readonly fencing: number;
}

export interface ReadyRecord {
  readonly chunk: ChunkName;
  readonly attempt: number;
  readonly workerId: string;
  readonly address: string;
  readonly tlsName: string;
  /** Payload bytes. */
  readonly bytes: number;
}

export interface OutstandingRecord {
  readonly chunk: ChunkName;
  readonly attempt: number;
  /** Milliseconds since 1970. */
  readonly claimedAt: number;
  /** The worker that took it, and when (milliseconds since 1970); null while it waits in the queue. */
  readonly takenBy: string | null;
  readonly takenAt: number | null;
  /** Failures that a worker reported, and deaths of workers while making it: each has its own limit. */
  readonly failures: number;
  readonly deaths: number;
  /** The second attempt at a chunk that is late; null: there is none. */
  readonly hedge: HedgeRecord | null;
}

/** An attempt beside the one that is late. The first completion wins; its failure and death count to nothing. */
export interface HedgeRecord {
  readonly attempt: number;
  /** Never the worker that makes the chunk already; null while it waits in the queue. */
  readonly takenBy: string | null;
}

/** A chunk that failed for good: every attachment that wants it ends with the error. */
export interface FailedRecord {
  readonly chunk: ChunkName;
  /** WireError of @cropstream/errors as JSON. */
  readonly errorJson: string;
}

/** A bad sample of a chunk that was made, and what stood in for it. */
export interface SubstitutionReport {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly epoch: number;
  /** In the epoch's order. */
  readonly position: number;
  readonly originalIndex: number;
  readonly deliveredIndex: number;
  /** Of the bad sample. */
  readonly path: string;
  /** Of the table of errors. */
  readonly code: string;
  readonly reason: string;
}

/** A chunk that failed for good, and when (milliseconds since 1970). */
export interface FailureReport extends FailedRecord {
  readonly at: number;
}

/** What is kept of a run for its operators, by kind. */
export interface RunReports {
  readonly substitutions: SubstitutionReport;
  readonly failures: FailureReport;
}
export type ReportKind = keyof RunReports;

/** Reports of each kind that are kept of a run: the newest. */
export const REPORTS_KEPT = 1_000;

/** Some reports, newest first, each with its number: the first ever of its kind and run is 1. */
export interface ReportPage<Report> {
  /** How many there were ever, also of those that are not kept any more. */
  readonly total: number;
  readonly reports: readonly { readonly number: number; readonly report: Report }[];
}

export type ChunkState =
  | { readonly state: 'none' }
  | { readonly state: 'outstanding'; readonly outstanding: OutstandingRecord }
  | { readonly state: 'ready'; readonly ready: ReadyRecord }
  | { readonly state: 'failed'; readonly failed: FailedRecord };

/** A coordinator's word on a worker that asks to join, `reason` a sentence for its operator. */
export type Verdict = { readonly admitted: true } | { readonly admitted: false; readonly reason: string };

export interface WorkerRecord {
  /** Without spaces. */
  readonly id: string;
  readonly address: string;
  readonly tlsName: string;
  readonly fingerprint: string;
  readonly protocolVersion: number;
  /** Compute threads. */
  readonly slots: number;
  readonly outboxBytes: number;
  readonly outboxLimit: number;
  /** Of the package. */
  readonly version: string;
  /** Fresh for each process: the cells of one share it. */
  readonly process: string;
  readonly made: MadeRecord;
}

/** What a worker made since its start, and the time that it was at it: counters that only grow. */
export interface MadeRecord {
  readonly samples: number;
  readonly chunks: number;
  /** Of payloads. */
  readonly bytes: number;
  /** Seconds in which it was making a chunk or several: from the first byte read to the checksum. */
  readonly busySeconds: number;
  /** By run key, MADE_RUNS at most: those it made chunks of last. One that comes back begins at zero. */
  readonly runs: Readonly<Record<string, MadeOfRun>>;
}

export interface MadeOfRun {
  readonly samples: number;
  /** Its part of `busySeconds`: a second in which chunks of two runs are made is half a second of each. */
  readonly busySeconds: number;
  /** Bad samples of it that another stood in for. */
  readonly substituted: number;
  /** Attempts at its chunks that failed. */
  readonly failures: number;
}

/** Of how many runs a worker's record tells. */
export const MADE_RUNS = 16;

/** Of a worker that has made nothing yet. */
export const NOTHING_MADE: MadeRecord = { samples: 0, chunks: 0, bytes: 0, busySeconds: 0, runs: {} };
