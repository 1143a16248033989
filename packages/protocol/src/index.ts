/**
 * The wire between trainer, coordinator and worker: messages and services generated from proto/, the frame codec,
 * errors as gRPC statuses, channel options. No behaviour of any part lives here, and no state.
 */
export { ERROR_METADATA_KEY, fromStatus, toStatus } from './errors.js';
export { decodeFrame, encodeFrame, FRAME_BYTES, FRAME_ROOM, framed } from './frame.js';
export { FrameReader } from './frame-reader.js';
export {
  Attach,
  Attached,
  AttachRequest,
  AttachResponse,
  ChunkRange,
  ChunkReady,
  ChunkWaiting,
  CoordinatorClient,
  type CoordinatorServer,
  CoordinatorService,
  GetRunRequest,
  ListRunsRequest,
  ListRunsResponse,
  Nack,
  Nack_Reason,
  OpenRunRequest,
  Progress,
} from './generated/cropstream/v1/coordinator.js';
export { ChunkId, FieldInfo, Location, RunInfo, ViewInfo } from './generated/cropstream/v1/run.js';
export {
  ChunkHeader,
  Column,
  FetchChunkRequest,
  Frame,
  Substitution,
  type WorkerServer,
} from './generated/cropstream/v1/worker.js';
export { CLIENT_OPTIONS, SERVER_OPTIONS } from './options.js';
export { PARAM_COLUMNS } from './params.js';
export {
  RelayedWorkerClient,
  relayedWorkerService,
  WorkerClient,
  workerHealthName,
  workerService,
} from './services.js';
export { PROTOCOL_VERSION } from './version.js';

/** What @grpc/reflection serves, loaded when it is asked for. */
export async function reflectionPackage() {
  return (await import('./reflection.js')).reflectionPackage();
}
