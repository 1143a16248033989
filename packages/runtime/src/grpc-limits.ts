import type { LimitTable } from './service-variables.js';

/**
 * What a client of a gRPC port may take, in one place; each is configurable and documented in docs/operations.md. Node
 * itself bounds a call's metadata: 64 KiB in 128 entries.
 */
export interface GrpcLimits {
  /** Connections at once; one address has half of them at most. */
  readonly maxConnections: number;
  /** Calls at once over one connection. */
  readonly maxConnectionCalls: number;
  /** One message of a client. */
  readonly maxMessageBytes: number;
  /** A connection on which no call was let in for so long from its beginning is cut. */
  readonly admitMs: number;
  /** A call is ended whose request has not come for so long. */
  readonly requestMs: number;
  /** A connection without calls is closed after so long. */
  readonly idleMs: number;
  /** What a client may send over one connection in a second, over time; at once sixteen times as much. */
  readonly receivedBytes: number;
}

export const DEFAULT_GRPC_LIMITS: GrpcLimits = {
  maxConnections: 4096,
  maxConnectionCalls: 1024,
  maxMessageBytes: 4 << 20,
  admitMs: 10_000,
  requestMs: 30_000,
  idleMs: 300_000,
  receivedBytes: 1 << 20,
};

export const GRPC_LIMITS: LimitTable<GrpcLimits> = {
  maxConnections: [
    'CROPSTREAM_GRPC_CONNECTIONS',
    'Connections to a gRPC port at once; one address has half of them at most',
  ],
  maxConnectionCalls: ['CROPSTREAM_GRPC_CONNECTION_CALLS', 'Calls at once over one gRPC connection'],
  maxMessageBytes: [
    'CROPSTREAM_GRPC_MESSAGE_BYTES',
    'One message of a gRPC client: the largest is a spec, or an Attach that names every chunk its window holds',
  ],
  admitMs: [
    'CROPSTREAM_GRPC_ADMIT',
    'A gRPC connection on which no call was let in for so long from its beginning is cut',
  ],
  requestMs: ['CROPSTREAM_GRPC_REQUEST', 'A gRPC call is ended whose request has not come for so long'],
  idleMs: ['CROPSTREAM_GRPC_IDLE', 'A gRPC connection without calls is closed after so long'],
  receivedBytes: [
    'CROPSTREAM_GRPC_RECEIVED_BYTES',
    'What a client may send over one gRPC connection in a second, over time, pings and all; at once sixteen times as much. One that sends more is cut',
  ],
};
