import type { CropstreamError } from '@cropstream/errors';
import {
  type AttachRequest,
  type AttachResponse,
  CoordinatorService,
  type FetchChunkRequest,
  type Frame,
  type GetRunRequest,
  type OpenRunRequest,
  type RunInfo,
  SERVER_OPTIONS,
  toStatus,
  workerService,
} from '@cropstream/protocol';
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import type { FetchCall, FetchHandlers } from '../core/transport.js';
import type { FakeFleet } from './fake-fleet.js';

export interface GrpcServer {
  readonly address: string;
  /** As a killed process: every connection is cut. */
  kill(): void;
}

/** A fleet's coordinator on a real port; it relays. */
export function serveCoordinator(
  fleet: FakeFleet,
): Promise<GrpcServer & { readonly attached: () => number }> {
  let attached = 0;
  const unary =
    <Request>(run: (request: Request) => Promise<RunInfo>): handleUnaryCall<Request, RunInfo> =>
    ({ request }, done) => {
      run(request).then(
        (info) => done(null, info),
        (error) => done(toStatus(error)),
      );
    };
  const server = new Server(SERVER_OPTIONS);
  server.addService(CoordinatorService, {
    openRun: unary<OpenRunRequest>(({ specJson }) => fleet.openRun(specJson)),
    getRun: unary<GetRunRequest>(({ name }) => fleet.getRun(name)),
    listRuns: unary(() => fleet.getRun('')),
    attach: (call: ServerDuplexStream<AttachRequest, AttachResponse>) => {
      attached++;
      let open = true;
      const leave = () => {
        if (open) attached--;
        open = false;
        stream.close();
      };
      const stream = fleet.attach({
        message: (message) => call.write(message),
        ended: (error) => {
          leave();
          end(call, error);
        },
      });
      call.on('data', (message: AttachRequest) => stream.send(message));
      call.on('cancelled', leave);
      call.on('end', () => {
        leave();
        call.end();
      });
    },
  });
  serveChunks(server, (request, handlers) => fleet.relay(request, handlers));
  return listen(server).then((base) => ({ ...base, attached: () => attached }));
}

/** One of the fleet's workers on a real port. */
export function serveWorker(fleet: FakeFleet): Promise<GrpcServer> {
  const server = new Server(SERVER_OPTIONS);
  serveChunks(server, (request, handlers) => {
    const location = { workerId: request.workerId, address: '', tlsName: '' };
    return fleet.fetch(location, request, handlers);
  });
  return listen(server);
}

function serveChunks(
  server: Server,
  fetch: (request: FetchChunkRequest, handlers: FetchHandlers) => FetchCall,
): void {
  server.addService(workerService, {
    fetchChunk: (call: ServerWritableStream<FetchChunkRequest, Frame>) => {
      const fetched = fetch(call.request, {
        frame: (frame) => call.write({ ...frame, data: Buffer.from(frame.data) }),
        ended: (error) => end(call, error),
      });
      call.on('cancelled', () => fetched.cancel());
    },
  });
}

interface Endable {
  emit(name: 'error', error: unknown): boolean;
  end(): unknown;
}

function end(call: Endable, error: CropstreamError | null): void {
  if (error) call.emit('error', toStatus(error));
  else call.end();
}

function listen(server: Server): Promise<GrpcServer> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve({ address: `127.0.0.1:${port}`, kill: () => server.forceShutdown() });
    });
  });
}
