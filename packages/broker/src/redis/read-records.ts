import { type AttachmentRecord, NOTHING_MADE, type RunRecord, type WorkerRecord } from '../records.js';

/*
 * While a fleet is upgraded, services of two versions read each other's records. What a newer one added is absent from an
 * older one's records and gets the value here, which says as much as is known; what an older one does not know it passes
 * over. A field is never given another meaning: that would be another field.
 */

const LATER_IN_RUNS = { state: 'active' } as const satisfies Partial<RunRecord>;

const LATER_IN_ATTACHMENTS = {
  credits: 0,
  waitedSeconds: 0,
  elapsedSeconds: 0,
  demand: null,
} as const satisfies Partial<AttachmentRecord>;

const LATER_IN_WORKERS = { version: '', made: NOTHING_MADE } as const satisfies Partial<WorkerRecord>;

export function readRun(json: string): RunRecord {
  return { ...LATER_IN_RUNS, ...(JSON.parse(json) as RunRecord) };
}

/** The fencing number is kept beside it. */
export function readAttachment(json: string, fencing: number): AttachmentRecord {
  return { ...LATER_IN_ATTACHMENTS, ...(JSON.parse(json) as AttachmentRecord), fencing };
}

export function readWorker(json: string): WorkerRecord {
  const record = JSON.parse(json) as WorkerRecord;
  // One whose process is not known is taken for one of its own.
  return { ...LATER_IN_WORKERS, ...record, process: record.process ?? record.id };
}
