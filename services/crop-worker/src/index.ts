/**
 * The crop-worker: samples in, finished chunks out. The worker that takes jobs and serves what it made (worker/), and the cells that spread workers over cores (cells/).
 * No scheduling, no digests, no order of samples: coordinators decide what is made.
 */
export type { CellAddress } from './cells/cell-calls.js';
export { type Cells, type CellsOptions, startCells } from './cells/cells.js';
export { dataConfig } from './config.js';
export { DEFAULT_WORKER_LIMITS, type WorkerLimits } from './worker/config.js';
export { CropWorker, type CropWorkerOptions } from './worker/crop-worker.js';
export { type DataAccessOptions, type DataLimits, DEFAULT_DATA_LIMITS } from './worker/data-access.js';
export type { Emit, Log, WorkerEvent } from './worker/events.js';
export { type FetchService, type FetchServiceOptions, fetchService } from './worker/fetch-service.js';
export type { WorkerIdentity } from './worker/jobs.js';
export { workerMetrics } from './worker/metrics.js';
export type { OpenRun, RunMaker } from './worker/run-book.js';
export { type CropWorkerService, type CropWorkerServiceOptions, startCropWorker } from './worker/start.js';
