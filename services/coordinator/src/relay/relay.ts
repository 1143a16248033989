import type { WorkerRecord } from '@cropstream/broker';
import { type FetchChunkRequest, relayedWorkerService } from '@cropstream/protocol';
import { type Clock, ownerFor } from '@cropstream/runtime';
import { type GrpcService, principalOf } from '@cropstream/runtime/grpc';
import type { GrpcAccess } from '@cropstream/runtime/grpc-access';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Registry } from 'prom-client';
import { DRAWING } from '../grpc-service.js';
import type { CoordinatorLimits } from '../limits.js';
import { WorkerReaders } from './frame-reader.js';
import { observeRelays } from './metrics.js';
import { relayService } from './relay-service.js';

export interface RelayParts {
  readonly find: (workerId: string) => Promise<WorkerRecord | null>;
  /** How it dials workers. */
  readonly peers: GrpcAccess;
  readonly clock: Clock;
  readonly limits: CoordinatorLimits;
  readonly registry: Registry;
}

/** The service by which a coordinator relays, over gRPC. Close it when its calls have ended. */
export function openRelay({ find, peers, clock, limits, registry }: RelayParts): {
  readonly service: GrpcService;
  close(): void;
} {
  const workers = new WorkerReaders(peers, clock);
  const implementation = relayService<Buffer, ServerWritableStream<FetchChunkRequest, Buffer>>({
    admit: async (call) => `${principalOf(call).owner} ${call.request.process}`,
    // Workers take this coordinator's word for whom it fetches, so it never is the caller's own.
    open: (worker, call) => workers.open(worker, { ...call.request, owner: ownerFor(principalOf(call)) }),
    bytesOf: (frame) => frame.length,
    ...{ find, clock, limits, observer: observeRelays(registry) },
  });
  return {
    service: {
      definition: relayedWorkerService,
      implementation: { ...implementation },
      roles: { fetchChunk: DRAWING },
    },
    close: () => workers.close(),
  };
}
