import type { MessagePort } from 'node:worker_threads';
import type { RawPixels } from '@cropstream/augment';
import type { DecodeElsewhere } from '@cropstream/chunks';
import type { Log, WorkerEvent } from '../worker/events.js';
import type { CropWorkerServiceOptions } from '../worker/start.js';

/** What a cell's worker is started with: all of its options that are plain data. */
export type CellOptions = Pick<
  CropWorkerServiceOptions,
  | 'process'
  | 'host'
  | 'port'
  | 'portFlag'
  | 'advertise'
  | 'security'
  | 'threads'
  | 'transforms'
  | 'sources'
  | 'decoder'
  | 'limits'
  | 'chunkLimits'
  | 'grpc'
  | 'dataLimits'
  | 'dataCache'
>;

/** A cell's thread is sent it once it is to start; the ports are moved to it. */
export interface CellData {
  readonly store: MessagePort;
  readonly broker: MessagePort;
  readonly control: MessagePort;
  readonly options: CellOptions;
}

export interface CellAddress {
  /** The worker's. */
  readonly id: string;
  /** As trainers are told it, `host:port`. */
  readonly address: string;
  readonly port: number;
}

/** What the main thread asks of a cell. */
export interface CellCalls {
  start(): Promise<CellAddress>;
  ready(): Promise<boolean>;
  drain(graceMs: number): Promise<void>;
  /** The cell's thread ends by itself afterwards. */
  close(graceMs: number): Promise<void>;
}

/** What a cell asks of the main thread, where sharp runs and metrics and logs are kept. */
export interface MainCalls {
  fingerprint(): Promise<string>;
  decode(...job: Parameters<DecodeElsewhere>): Promise<RawPixels>;
  emit(event: WorkerEvent): void;
  /** An error among the fields, `err`, comes as its WireError with its stack. */
  log(level: keyof Log, fields: object, message: string): void;
}

/** Decoded pixels, and encoded bytes that are alone in their buffer, are moved between the threads, not copied. */
export function movable(value: unknown): ArrayBuffer[] {
  const bytes = isPixels(value) ? value.data : value;
  const alone = bytes instanceof Uint8Array && bytes.byteLength === bytes.buffer.byteLength;
  return alone && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
}

function isPixels(value: unknown): value is { data: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
