import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientReadableStream,
  type Metadata,
  makeGenericClientConstructor,
} from '@grpc/grpc-js';
import { decodeFrame, encodeFrame } from './frame.js';
import {
  type FetchChunkRequest,
  type WorkerClient as GeneratedWorkerClient,
  WorkerService as generatedWorkerService,
} from './generated/cropstream/v1/worker.js';

/** The Worker service as generated, its frames through the codec of frame.ts: for `server.addService`. */
export const workerService = {
  fetchChunk: {
    ...generatedWorkerService.fetchChunk,
    responseSerialize: encodeFrame,
    responseDeserialize: decodeFrame,
  },
} as const;

const asTheyAre = (frame: Buffer): Buffer => frame;

/** The same, its frames as they are on the wire: for a coordinator that hands them on. */
export const relayedWorkerService = {
  fetchChunk: {
    ...generatedWorkerService.fetchChunk,
    responseSerialize: asTheyAre,
    responseDeserialize: asTheyAre,
  },
} as const;

/** The name by which a worker's server answers health checks for that worker alone, whoever else had its address. */
export function workerHealthName(workerId: string): string {
  return `cropstream.v1.Worker/${workerId}`;
}

export type WorkerClient = GeneratedWorkerClient;

/** A client of one worker whose frames are bytes. */
export interface RelayedWorkerClient extends Client {
  fetchChunk(
    request: FetchChunkRequest,
    metadata: Metadata,
    options: Partial<CallOptions>,
  ): ClientReadableStream<Buffer>;
}

export const RelayedWorkerClient = makeGenericClientConstructor(
  relayedWorkerService,
  'cropstream.v1.Worker',
) as unknown as new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => RelayedWorkerClient;

/** A client of one worker; its frames' `data` are views of the received messages. */
export const WorkerClient = makeGenericClientConstructor(
  workerService,
  'cropstream.v1.Worker',
) as unknown as new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => WorkerClient;
