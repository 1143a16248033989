/**
 * The TypeScript trainer client: an async iterable of exact batches over gRPC. `core/` is free of transport and of
 * real time; what a trainer calls lies beside it. No pixels are computed here, and nothing of a service lives here.
 */
export { CropstreamError } from '@cropstream/errors';
export { type ClientSecurity, clientSecurity, type TlsOptions } from '@cropstream/runtime';
export { Batch, type BatchContent, type FieldColumn, type Substitution } from './core/batch.js';
export { ParamTable } from './core/params.js';
export type { RelayMode } from './core/routes.js';
export type { FieldInfo, RunInfo, ViewInfo } from './core/run.js';
export type { Dtype, Tensor, TensorArrays } from './core/tensor.js';
export type { AttachHandlers, AttachStream, FetchCall, FetchHandlers, Transport } from './core/transport.js';
export { StreamDigest } from './digest.js';
export { GrpcTransport } from './grpc-transport.js';
export { MultiCropLoader } from './loader.js';
export type { LoaderOptions } from './options.js';
export type { LoaderState } from './state.js';
