import type { Stage } from '@cropstream/augment';
import type { StorageCounts } from '@cropstream/datasets';
import type { DropReason } from './outbox.js';

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
  | {
      readonly kind: 'outbox';
      readonly usedBytes: number;
      readonly limitBytes: number;
      readonly chunks: number;
    }
  /** What reading data took since the last event of this kind. */
  | { readonly kind: 'storage'; readonly since: StorageCounts }
  /** gRPC connections, and those cut over a limit since the last event of this kind. */
  | { readonly kind: 'connections'; readonly open: number; readonly cut: number }
  /** What is kept of shards. */
  | { readonly kind: 'shard-memory'; readonly usedBytes: number; readonly limitBytes: number };

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
