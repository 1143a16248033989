import { CropstreamError, failure, toFailure } from '@cropstream/errors';
import {
  type AttachRequest,
  type AttachResponse,
  type CoordinatorServer,
  toStatus,
} from '@cropstream/protocol';
import { ownerFor, parseJson, type Role } from '@cropstream/runtime';
import { principalOf } from '@cropstream/runtime/grpc';
import type { ServerDuplexStream, sendUnaryData } from '@grpc/grpc-js';
import type { AttachChannel } from './attachment.js';
import { type Coordinator, requireProtocol } from './coordinator.js';
import type { RunCatalog } from './runs.js';

/** A service asks nothing of a coordinator by gRPC: workers and coordinators meet in the store. */
export const DRAWING: readonly Role[] = ['trainer', 'operator'];

export const COORDINATOR_ROLES = {
  openRun: DRAWING,
  getRun: DRAWING,
  listRuns: DRAWING,
  attach: DRAWING,
} satisfies Record<keyof CoordinatorServer, readonly Role[]>;

/** The Coordinator service over a catalog and a coordinator: carries messages and errors, decides nothing. */
export function coordinatorHandlers(catalog: RunCatalog, coordinator: Coordinator): CoordinatorServer {
  return {
    openRun(call, callback) {
      answer(callback, async () => {
        requireProtocol(call.request.protocolVersion);
        const owner = ownerFor(principalOf(call));
        return (await catalog.open(owner, parseSpecJson(call.request.specJson))).run.info;
      });
    },
    getRun(call, callback) {
      answer(callback, async () => {
        requireProtocol(call.request.protocolVersion);
        return (await catalog.byName(ownerFor(principalOf(call)), call.request.name)).info;
      });
    },
    listRuns(call, callback) {
      answer(callback, async () => {
        requireProtocol(call.request.protocolVersion);
        return { runs: (await catalog.list(principalOf(call).owner)).map(({ info }) => info) };
      });
    },
    attach(call) {
      const connection = coordinator.connect(channelOf(call), principalOf(call));
      call.on('data', (message: AttachRequest) => connection.receive(message));
      call.on('end', () => connection.disconnect());
      call.on('cancelled', () => connection.disconnect());
      call.on('error', () => connection.disconnect());
    },
  };
}

function channelOf(call: ServerDuplexStream<AttachRequest, AttachResponse>): AttachChannel {
  let open = true;
  return {
    send(message) {
      // What waits in the stream is bounded by the window: a chunk is announced once an attempt.
      if (open && !call.cancelled) call.write(message);
    },
    end(error) {
      if (!open) return;
      open = false;
      if (error) call.emit('error', toStatus(error));
      else call.end();
    },
  };
}

function answer<T>(callback: sendUnaryData<T>, make: () => Promise<T>): void {
  make().then(
    (value) => callback(null, value),
    (error) => callback(toStatus(toFailure(error))),
  );
}

function parseSpecJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof CropstreamError) throw error;
    throw failure('SPEC_UNREADABLE', { path: 'in the request', reason: (error as Error).message });
  }
}
