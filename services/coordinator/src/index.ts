/**
 * The coordinator: opens runs, and keeps for every attached rank a window of chunk jobs in the queue. One file
 * a concern; `service.ts` wires them. No pixels are computed here; chunk bytes pass through
 * `relay/` alone, for trainers that cannot reach workers.
 */
export type { AttachChannel } from './attachment.js';
export { coordinatorLimits } from './config.js';
export {
  type Connection,
  Coordinator,
  type CoordinatorObserver,
  type CoordinatorOptions,
  type FleetState,
} from './coordinator.js';
export { type CoordinatorLimits, DEFAULT_LIMITS } from './limits.js';
export { OpenRun } from './open-run.js';
export {
  type FrameReader,
  RELAY_STREAM_BYTES,
  type RelayedCall,
  relayService,
} from './relay/relay-service.js';
export { type OpenedRun, RunCatalog, type RunCatalogOptions } from './runs.js';
export {
  type CoordinatorService,
  type CoordinatorServiceOptions,
  type PreparedCoordinator,
  prepareCoordinator,
  startCoordinator,
} from './service.js';
