import {
  type AttachmentRecord,
  type ChunkName,
  NOTHING_MADE,
  type ReadyRecord,
  type RunRecord,
  type SubstitutionReport,
  type WorkerRecord,
} from '../records.js';
import type { Store } from '../store.js';

/** A store under test, alone on its backing service. */
export interface StoreUnderTest {
  readonly store: Store;
  /** After how long a run is forgotten that nobody uses. At least 1,500 where time is real. */
  readonly idleMs: number;
  /** Lets so much time pass for the store, with every call made before already on its way. */
  advance(ms: number): Promise<void>;
  /** Ends what `make` started. */
  end(): Promise<void>;
}

export const exampleRun = (more: Partial<RunRecord> = {}): RunRecord => ({
  owner: 'o1',
  name: 'one',
  digest: 'd1',
  specJson: '{"seed":42}',
  manifestDigest: 'm1',
  chunkSize: 64,
  fingerprint: 'f1',
  openedAt: 1_700_000_000_000,
  state: 'active',
  ...more,
});

export const exampleAttachment = (
  more: Partial<AttachmentRecord> = {},
): Omit<AttachmentRecord, 'fencing'> => ({
  runKey: 'o1.d1',
  runName: 'one',
  consumer: 'job',
  rank: 0,
  worldSize: 2,
  process: 'p1',
  host: 'node-3',
  pid: 17,
  coordinator: 'c1',
  nextStep: 0,
  windowEnd: 4,
  credits: 8,
  waitedSeconds: 0,
  elapsedSeconds: 0,
  demand: null,
  ...more,
});

export const exampleWorker = (more: Partial<WorkerRecord> = {}): WorkerRecord => ({
  id: 'w1',
  address: '127.0.0.1:7000',
  tlsName: '',
  fingerprint: 'f1',
  protocolVersion: 1,
  slots: 4,
  outboxBytes: 0,
  outboxLimit: 1 << 28,
  version: '0.1.0',
  process: 'p1',
  made: NOTHING_MADE,
  ...more,
});

export const exampleSubstitution = (position: number): SubstitutionReport => ({
  at: 1_700_000_000_000 + position,
  epoch: 0,
  position,
  originalIndex: position,
  deliveredIndex: position + 1,
  path: `n01440764/${position}.jpg`,
  code: 'SAMPLE_UNDECODABLE',
  reason: 'Not a JPEG file: starts with 0x00 0x00',
});

export const exampleReady = (chunk: ChunkName, attempt: number, workerId = 'w1'): ReadyRecord => ({
  chunk,
  attempt,
  workerId,
  address: '127.0.0.1:7000',
  tlsName: '',
  bytes: 1 << 20,
});
