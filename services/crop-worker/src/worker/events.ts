import type { Stage } from '@cropstream/augment';
import type { MadeOfRun } from '@cropstream/broker';
import type { ChunkLimits } from '@cropstream/chunks';
import type { StorageCounts } from '@cropstream/datasets';
import type { GrpcLimits } from '@cropstream/runtime';
import type { WorkerLimits } from './config.js';
import type { DataLimits } from './data-access.js';
import type { DropReason } from './outbox.js';
import type { RunLabels } from './run-book.js';

/** What a worker tells of itself, for metrics: plain data, so that it crosses threads. */
export type WorkerEvent =
  | {
      readonly kind: 'made';
      readonly samples: number;
      readonly bytes: number;
      /** From the start of reading to the checksum. */
      readonly seconds: number;
      /** Milliseconds of compute. */
      readonly stages: Readonly<Record<Stage, number>>;
      /** Codes of the bad samples. */
      readonly substituted: readonly string[];
    }
  | { readonly kind: 'failed'; readonly code: string }
  /** Jobs that ended without a chunk, and that is in order. */
  | { readonly kind: 'skipped'; readonly reason: SkipReason }
  | { readonly kind: 'dropped'; readonly reason: DropReason }
  | { readonly kind: 'fetched'; readonly bytes: number; readonly outcome: FetchOutcome }
  /** Its limits, told once. */
  | { readonly kind: 'limits'; readonly limits: Limits }
  /** How it stands, told with each beat. */
  | {
      readonly kind: 'state';
      /** What of its limits is in use. */
      readonly used: Partial<Limits>;
      /** Chunks that the outbox holds. */
      readonly chunks: number;
      /** Of buffers that the outbox's next chunks are made in. */
      readonly freeBytes?: number;
      /** Since its start. */
      readonly busySeconds: number;
      /** What it made of the runs that are open, by digest. */
      readonly runs: Readonly<Record<string, RunLabels & MadeOfRun>>;
    }
  /** What reading data took since the last event of this kind. */
  | { readonly kind: 'storage'; readonly since: StorageCounts }
  /** gRPC connections that were cut over a limit since the last event of this kind. */
  | { readonly kind: 'cut'; readonly connections: number };

/** All limits of a worker. */
export type Limits = WorkerLimits & ChunkLimits & DataLimits & GrpcLimits;

/**
 * Another attempt was first; nobody wants the chunk; its run has its share of the outbox; its run is not open any
 * more; this worker stops.
 */
export type SkipReason = 'superseded' | 'unwanted' | 'share' | 'unknown-run' | 'stopping';

export type FetchOutcome = 'whole' | 'cut' | 'not-found' | 'refused';

export type Emit = (event: WorkerEvent) => void;

/** The part of pino's logger that a worker uses. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
