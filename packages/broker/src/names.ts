import type { ChunkJob, ChunkName, RunKey, RunRecord } from './records.js';

export function runKeyOf({ owner, digest }: Pick<RunRecord, 'owner' | 'digest'>): RunKey {
  return `${owner}.${digest}`;
}

export function parseRunKey(key: RunKey): Pick<RunRecord, 'owner' | 'digest'> {
  const [owner = '', digest = ''] = key.split('.');
  return { owner, digest };
}

/** A chunk within its run. */
export interface ChunkSpan {
  readonly epoch: number;
  /** Positions [first, last) of the epoch's order. */
  readonly first: number;
  readonly last: number;
}

export function chunkName({ epoch, first, last }: ChunkSpan): ChunkName {
  return `${epoch}-${first}-${last}`;
}

export function parseChunkName(name: ChunkName): ChunkSpan {
  const [epoch = Number.NaN, first = Number.NaN, last = Number.NaN] = name.split('-').map(Number);
  return { epoch, first, last };
}

/** A job's id: the same chunk and attempt always give the same, so that adding a job again changes nothing. */
export function jobId(runKey: RunKey, chunk: ChunkName, attempt: number): ChunkJob['id'] {
  return `${runKey}-${chunk}-${attempt}`;
}

/** The topic on which workers say that something became ready, failed or was released. */
export const WAKE_COORDINATORS = 'coordinators';

/** The topic on which workers say that they ask to join, and coordinators that they have judged one. */
export const WAKE_ADMISSION = 'admission';
